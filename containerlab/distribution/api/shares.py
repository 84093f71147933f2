"""Shares: repositories that somebody lets another user pull from for some time."""

from __future__ import annotations

from typing import Literal

import msgspec

from containerlab.distribution.api.operation import Noun, operation
from containerlab.distribution.api.users import UserName
from containerlab.distribution.api.values import Moment, Page, RepositoryName, Text

__all__ = ["Share", "Shares"]


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """A repository that is shared with a user."""

    repository: str
    account: str
    """Who may pull."""
    given_by: str
    description: str
    until: float
    created: float


class Shares(Noun):
    """Shares."""

    @operation("PUT /shares", who="manage")
    def create(
        self, repository: RepositoryName, account: UserName, *, until: Moment, description: Text = ""
    ) -> Share:
        """Let a user pull from a repository until a time; in the place of an earlier share with them."""

    @operation("GET /shares", who="account")
    def list(
        self,
        *,
        direction: Literal["received", "given"] | None = None,
        repository: RepositoryName | None = None,
    ) -> Page[Share]:
        """List what is shared with you; of a repository that you manage, all its shares.

        With the direction `given`, what you share.
        """

    @operation("DELETE /shares/{repository}/{account}", who="account")
    def remove(self, repository: RepositoryName, account: UserName) -> None:
        """End a share: of what you manage, or with yourself."""
