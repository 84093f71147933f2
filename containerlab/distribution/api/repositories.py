"""Repositories: what is said of them, and who sees them."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from containerlab.distribution.api.operation import Noun, operation
from containerlab.distribution.api.rights import LevelOrNone
from containerlab.distribution.api.values import (
    After,
    Limit,
    OrganizationName,
    Page,
    RepositoryName,
    Text,
    exactly,
)
from containerlab.oci.distribution import NAME_PART

__all__ = ["Category", "Repositories", "Repository"]

Category = Annotated[
    str,
    Meta(pattern=exactly(f"(?:{NAME_PART})?"), max_length=64, examples=["database"], description="One word."),
]


class Repository(msgspec.Struct, frozen=True, kw_only=True):
    """A repository."""

    name: str
    organization: str
    description: str
    category: str
    is_public: bool
    """Whether everybody may pull."""
    tags: int
    size_bytes: int
    """Of its blobs and manifests, each once."""
    pulls: int
    pushed: float | None
    """When something was pushed last."""
    level: LevelOrNone
    """What you may do with it."""
    created: float


class Repositories(Noun):
    """Repositories."""

    @operation("GET /repositories", who="anybody")
    def list(
        self,
        *,
        organization: OrganizationName | None = None,
        category: Category | None = None,
        search: Annotated[str, Meta(max_length=255)] = "",
        limit: Limit = 100,
        after: After = "",
    ) -> Page[Repository]:
        """List the repositories that you may pull from, by name.

        search: what their name or description contains.
        """

    @operation("GET /repositories/{repository}", who="read")
    def inspect(self, repository: RepositoryName) -> Repository:
        """Return a repository."""

    @operation("PATCH /repositories/{repository}", who="manage")
    def update(
        self,
        repository: RepositoryName,
        *,
        description: Text | None = None,
        category: Category | None = None,
        is_public: bool | None = None,
    ) -> Repository:
        """Change what is said of a repository, and whether everybody may pull; what is left out stays."""

    @operation("DELETE /repositories/{repository}", who="manage")
    def remove(self, repository: RepositoryName) -> None:
        """Remove a repository with all tags and manifests, and the rights and rules on it."""
