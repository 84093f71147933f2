"""Removing what nobody uses: containers, images, volumes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from containerlab.backends import base, optional
from containerlab.backends.base import Pruned
from containerlab.engine import filters
from containerlab.errors import LabError

__all__ = ["containers", "images", "total", "volumes"]

Given = Mapping[str, Any]
"""Options of a prune, normalised."""


def containers(backend: base.Backend, given: Given) -> Pruned:
    """Remove containers that do not run."""
    ended = [info for info in backend.list() if info.status in ("created", "exited", "dead")]
    chosen = filters.to_prune(ended, given, lambda info: (info.created, info.labels))
    sizes = backend.sizes([info.id for info in chosen]) if isinstance(backend, optional.Sizing) else {}
    removed = []
    for info in chosen:
        with suppress(LabError):  # somebody has started or removed it meanwhile
            backend.remove(info.id)
            removed.append(info.id)
    freed_bytes = sum(sizes[id_].written_bytes for id_ in removed if id_ in sizes)
    return Pruned(removed=tuple(removed), freed_bytes=freed_bytes)


def images(backend: base.Backend, maker: optional.ImageMaker, given: Given) -> Pruned:
    """Remove images without a name, or with `all` every one that no container uses."""
    every, wanted = bool(given.get("all")), dict(given)
    for key, value in given.get("filter", ()):
        if key == "dangling":  # image prune --filter dangling=false means --all
            every = every or not filters.is_true(value)
            wanted["filter"] = tuple(pair for pair in wanted["filter"] if pair[0] != "dangling")
    if not wanted.get("filter"):
        return maker.prune_images(every=every)
    chosen = filters.to_prune(
        backend.images(), wanted, lambda info: (info.created or 0.0, info.config.get("Labels") or {})
    )
    return maker.prune_images(every=every, among={info.digest for info in chosen})


def volumes(keeper: optional.VolumeKeeper, given: Given) -> Pruned:
    """Remove volumes that no container has: those without a name of their own, or with `all` every one."""
    unused = [info for info in keeper.volumes() if not info.used_by]
    possible = [info for info in unused if given.get("all") or info.is_anonymous]
    removed = []
    for info in filters.to_prune(possible, given, lambda info: (info.created, info.labels)):
        with suppress(LabError):  # somebody has taken or removed it meanwhile
            keeper.remove_volume(info.name)
            removed.append(info)
    return Pruned(
        removed=tuple(info.name for info in removed),
        freed_bytes=sum(info.size_bytes or 0 for info in removed),
    )


def total(parts: Iterable[Pruned]) -> Pruned:
    """Return several prunes as one."""
    kept = tuple(parts)
    return Pruned(
        removed=tuple(name for part in kept for name in part.removed),
        freed_bytes=sum(part.freed_bytes for part in kept),
    )
