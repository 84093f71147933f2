"""How much an organisation may keep, and what takes the space."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from containerlab.distribution.api.operation import Noun, operation
from containerlab.distribution.api.values import After, Limit, OrganizationName, Page

__all__ = ["Quota", "Quotas", "RepositoryUse"]

_Bytes = Annotated[int, Meta(ge=0, le=(1 << 62))]


class Quota(msgspec.Struct, frozen=True, kw_only=True):
    """What an organisation keeps, and what it may."""

    organization: str
    limit_bytes: int | None
    """None: no limit."""
    used_bytes: int
    """Of blobs and manifests, each counted once for all repositories of the organisation."""
    unique_bytes: int
    """Of those that no other organisation has, as far as one sees: what its end would free."""
    repositories: int
    tags: int


class RepositoryUse(msgspec.Struct, frozen=True, kw_only=True):
    """What a repository keeps."""

    repository: str
    used_bytes: int
    """Of its blobs and manifests."""
    unique_bytes: int
    """Of those that no other repository has, as far as one sees: what its end would free."""
    manifests: int
    tags: int


class Quotas(Noun):
    """Limits of organisations, and use of the disk."""

    @operation("GET /quotas", who="read")
    def list(self) -> Page[Quota]:
        """List what the organisations that you belong to keep, and what they may."""

    @operation("GET /quotas/{organization}", who="read")
    def inspect(self, organization: OrganizationName) -> Quota:
        """Return what an organisation keeps, and what it may."""

    @operation("PUT /quotas/{organization}", who="administrator")
    def set(self, organization: OrganizationName, limit_bytes: _Bytes | None) -> Quota:
        """Limit what an organisation keeps; `none`, which is null in JSON, takes the limit away.

        What it has already stays, also above the limit; uploads are refused.
        """

    @operation("GET /quotas/{organization}/repositories", who="read")
    def repositories(
        self, organization: OrganizationName, *, limit: Limit = 100, after: After = ""
    ) -> Page[RepositoryUse]:
        """List what the repositories of an organisation keep, by name."""
