"""What is told of an image that was made of another's layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from containerlab.backends import base, optional
from containerlab.engine.images import Image
from containerlab.errors import InvalidInput, Unsupported

__all__ = ["ReworkedImage", "rebase", "squash"]


class ReworkedImage(Image):
    """The new image; `notices` say what to look at."""

    def __init__(self, made: optional.Reworked) -> None:
        super().__init__(made.info)
        self.notices = made.notices

    def to_text(self) -> str:
        return "\n".join([super().to_text(), *(f"note: {notice}" for notice in self.notices)])


def rebase(backend: base.Backend, name: str, options: Mapping[str, Any]) -> ReworkedImage:
    """Put an image on another base, or take files out of it, as the options say."""
    onto, drop = options.get("onto", ""), options.get("drop", ())
    if not onto and not drop:
        raise InvalidInput("image rebase has nothing to do", "give --onto NEWBASE, or --drop PATH")
    if options.get("old") and not onto:
        raise InvalidInput("--from is of no use without --onto", "name the new base")
    made = _reworking(backend).rebase_image(
        name, options.get("tag", ""), onto=onto, old=options.get("old", ""), drop=drop
    )
    return ReworkedImage(made)


def squash(backend: base.Backend, name: str, options: Mapping[str, Any]) -> ReworkedImage:
    """Make one layer of those of an image."""
    return ReworkedImage(
        _reworking(backend).squash_image(name, options.get("tag", ""), base=options.get("base", ""))
    )


def _reworking(backend: base.Backend) -> optional.Reworking:
    if not isinstance(backend, optional.Reworking):
        raise Unsupported(f"the {backend.name} backend cannot make images of the layers of others")
    return backend
