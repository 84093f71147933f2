"""Immutable tags: rules that say which tags stay what they are."""

from __future__ import annotations

import msgspec

from containerlab.distribution.api.operation import Noun, operation
from containerlab.distribution.api.values import Number, Page, Patterns, Scope, SomePatterns

__all__ = ["Immutability", "ImmutabilityRule"]


class ImmutabilityRule(msgspec.Struct, frozen=True, kw_only=True):
    """Which tags can be neither moved nor deleted once they are there."""

    id: int
    scope: str
    """What it is about: an organisation (`lab/`), a repository (`lab/base`), or empty for all."""
    tags: tuple[str, ...]
    """Patterns; `*` is every tag, `latest` too."""
    exceptions: tuple[str, ...]
    """Patterns of tags that it leaves alone."""
    created: float


class Immutability(Noun):
    """Rules about tags that stay what they are."""

    @operation("POST /immutability", who="manage", status=201)
    def set(
        self, scope: Scope, *, tags: SomePatterns = ("*",), exceptions: Patterns = ()
    ) -> ImmutabilityRule:
        """Make tags immutable: nobody moves or deletes one, whatever rights they have.

        A pattern is a glob (`v*`) or a regular expression between slashes (`/v\\d+/`), of the whole tag. Who
        manages the scope can take the rule away again.
        """

    @operation("GET /immutability", who="read")
    def list(self, scope: Scope | None = None) -> Page[ImmutabilityRule]:
        """List the rules of a scope, or all that you may see."""

    @operation("DELETE /immutability/{id}", who="manage")
    def remove(self, id: Number) -> None:
        """Take a rule away."""
