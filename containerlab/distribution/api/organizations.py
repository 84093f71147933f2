"""Organisations: what repositories belong to, and on which rights are given."""

from __future__ import annotations

import msgspec

from containerlab.distribution.api.operation import Noun, operation
from containerlab.distribution.api.rights import LevelOrNone
from containerlab.distribution.api.values import After, Limit, OrganizationName, Page, Text

__all__ = ["Organization", "Organizations"]


class Organization(msgspec.Struct, frozen=True, kw_only=True):
    """An organisation."""

    name: str
    description: str
    is_public: bool
    """Whether everybody may see it, and pull from its new repositories."""
    repositories: int
    level: LevelOrNone
    """What you may do with all that is in it."""
    created: float


class Organizations(Noun):
    """Organisations."""

    @operation("POST /organizations", who="administrator", status=201)
    def create(
        self, name: OrganizationName, *, description: Text = "", is_public: bool = False
    ) -> Organization:
        """Create an organisation, which you then manage.

        Administrators may, and others where the registry is set up so. A push by an administrator makes the
        organisation that it needs.
        """

    @operation("GET /organizations", who="anybody")
    def list(self, *, limit: Limit = 100, after: After = "") -> Page[Organization]:
        """List organisations by name: the public ones, and those in which you may do something."""

    @operation("GET /organizations/{name}", who="anybody")
    def inspect(self, name: OrganizationName) -> Organization:
        """Return an organisation."""

    @operation("PATCH /organizations/{name}", who="manage")
    def update(
        self, name: OrganizationName, *, description: Text | None = None, is_public: bool | None = None
    ) -> Organization:
        """Change an organisation; what is left out stays as it is.

        Repositories that are there already stay public or private.
        """

    @operation("DELETE /organizations/{name}", who="manage")
    def remove(self, name: OrganizationName, *, force: bool = False) -> None:
        """Remove an organisation, with its robots, rights and rules; one that is not empty if `force`."""
