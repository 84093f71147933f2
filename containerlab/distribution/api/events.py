"""What happened in a registry: its audit log."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import msgspec

from containerlab.distribution.api.operation import Noun, operation
from containerlab.distribution.api.values import After, Limit, Moment, OrganizationName, Page, RepositoryName

__all__ = ["Event", "Events", "Kind"]

Kind = Literal[
    "push", "pull", "delete", "tag.delete", "blob.delete", "login", "login.refused", "denied",
    "organization", "repository", "account", "rights", "rule", "retention", "collection",
    "webhook", "replication", "upstream", "examination",
]  # fmt: skip


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that happened."""

    id: int = 0
    """Grows with time; 0 before it is written."""
    time: float
    """Seconds since 1970."""
    kind: str
    """What: push, pull, delete, login, rights, …"""
    account: str
    """Who did it; empty for somebody who did not sign in."""
    address: str = ""
    """Where the request came from."""
    repository: str = ""
    tag: str = ""
    digest: str = ""
    detail: str = ""
    """A sentence."""


class Events(Noun):
    """The audit log."""

    @operation("GET /events", who="account")
    def list(
        self,
        *,
        organization: OrganizationName | None = None,
        repository: RepositoryName | None = None,
        account: str | None = None,
        kind: Kind | None = None,
        since: Moment | None = None,
        until: Moment | None = None,
        limit: Limit = 100,
        after: After = "",
    ) -> Page[Event]:
        """List what happened, newest first.

        An administrator sees everything; others what they did themselves, and what happened in organisations
        and repositories that they manage.
        """

    @operation("GET /events/export", who="account")
    def export(
        self,
        *,
        organization: OrganizationName | None = None,
        repository: RepositoryName | None = None,
        account: str | None = None,
        kind: Kind | None = None,
        since: Moment | None = None,
        until: Moment | None = None,
    ) -> Iterator[Event]:
        """Write down everything that happened, newest first, as JSON lines."""
