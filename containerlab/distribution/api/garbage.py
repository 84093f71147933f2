"""What nobody needs any more, and what is damaged."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from containerlab.distribution.api.operation import Noun, operation
from containerlab.distribution.api.values import Scope

__all__ = ["Collection", "Garbage", "Verified"]

_Seconds = Annotated[float, Meta(ge=0, le=1e9)]


class Collection(msgspec.Struct, frozen=True, kw_only=True):
    """What a collection removed, or would."""

    is_dry_run: bool
    manifests: int
    """Those that no tag leads to, when they were to go."""
    links: int
    """Blobs that repositories had and no manifest of theirs needs."""
    uploads: int
    """Sessions that nobody went on with."""
    freed_bytes: int
    """Of blobs that nothing has any more that one sees; for administrators all that is freed on the disk."""


class Verified(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How far a verification is, or what it found."""

    blobs: int
    """Looked at so far."""
    bytes: int
    """Read so far."""
    digest: str = ""
    """Of the blob that is not what it should be; empty when this line only says how far it is."""
    problem: Literal["", "missing", "damaged"] = ""
    repositories: tuple[str, ...] = ()
    """Some that have it; pushing it again heals it."""


class Garbage(Noun):
    """Collection of what nobody needs, and verification of what there is."""

    @operation("POST /garbage/collect", who="manage")
    def collect(
        self,
        scope: Scope = "",
        *,
        untagged: bool = False,
        grace_s: _Seconds | None = None,
        dry_run: bool = False,
    ) -> Collection:
        """Free the space of what nobody needs, while pushes go on.

        A blob that no manifest of its repository needs is dropped there when it is older than the grace
        period, which is the registry's own unless given; with `untagged` also manifests to which neither a
        tag, an index nor a subject leads. What then no repository and no image of the store needs is removed
        from the disk. With `dry_run` nothing is changed.
        """

    @operation("POST /garbage/verify", who="manage")
    def verify(self, scope: Scope = "", *, discard: bool = False) -> Iterator[Verified]:
        """Read every blob, hold it against its digest; say what is missing or damaged, and how far it is.

        With `discard` damaged ones are removed from the disk, so that the next push or pull brings them
        again: clients do not send what they are told is there. Only administrators may, as others may have
        them too.
        """
