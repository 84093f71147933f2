"""Finding what is missing or damaged: every blob is read and held against its digest."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Literal

from containerlab import errors
from containerlab.distribution.api.garbage import Garbage, Verified
from containerlab.distribution.server.api.binding import serves
from containerlab.distribution.server.content.catalog import WITHIN
from containerlab.distribution.server.registry import Registry
from containerlab.distribution.server.rights import Identity, Level
from containerlab.distribution.server.rules import retention
from containerlab.distribution.server.scopes import require_managed
from containerlab.oci.digest import Hasher
from containerlab.store.blobs import CONTENT_LOCK

__all__ = ["verify"]

_PIECE = 1 << 20
_BETWEEN_BYTES = 256 << 20
"""Between two lines that say how far it is."""
_MOST_NAMES = 10
_IN_SCOPE = f"SELECT id FROM repositories WHERE {WITHIN}"
_NEXT = f"""
SELECT digest, max(size) FROM (
    SELECT digest, size FROM links WHERE repository IN ({_IN_SCOPE}) AND digest > ?2
    UNION ALL SELECT digest, size FROM manifests WHERE repository IN ({_IN_SCOPE}) AND digest > ?2
) GROUP BY digest ORDER BY digest LIMIT 1000
"""
_HOLDERS = (
    "SELECT name FROM repositories WHERE id IN (SELECT repository FROM links WHERE digest = ?1"
    " UNION SELECT repository FROM manifests WHERE digest = ?1) ORDER BY name LIMIT ?2"
)


@serves(Garbage.verify)
def verify(
    registry: Registry, identity: Identity, scope: str = "", *, discard: bool = False
) -> Iterator[Verified]:
    """Hold the blobs of all repositories of a scope against their digests; the last line says how many.

    Raises: NotPermitted, InvalidInput.
    """
    require_managed(identity, "" if discard else scope, "verify")
    retention.require_something(registry, identity, scope)
    return _verified(registry, identity, scope, discard)


def _verified(registry: Registry, identity: Identity, scope: str, discard: bool) -> Iterator[Verified]:
    blobs = count = told = 0
    for digest, size in _blobs(registry, scope):
        before = _state(registry, digest)
        problem, read = _problem(registry, digest, size)
        if discard and problem == "damaged":
            _discard(registry, digest, before)
        blobs, count = blobs + 1, count + read
        if problem and (names := _holders(registry, identity, digest)):
            yield Verified(blobs=blobs, bytes=count, digest=digest, problem=problem, repositories=names)
        elif count - told >= _BETWEEN_BYTES:
            told = count
            yield Verified(blobs=blobs, bytes=count)
    yield Verified(blobs=blobs, bytes=count)


def _blobs(registry: Registry, scope: str) -> Iterator[tuple[str, int]]:
    last = ""
    while True:
        with registry.reader.reading() as connection:
            rows = connection.execute(_NEXT, (scope, last)).fetchall()
        yield from rows
        if not rows:
            return
        last = rows[-1][0]


def _problem(registry: Registry, digest: str, size: int) -> tuple[Literal["", "missing", "damaged"], int]:
    """Return what is wrong with a blob, and how many bytes were read to know it."""
    try:
        fd = registry.blobs.open_fd(digest, size)
    except errors.NotFound:
        return "missing", 0
    except errors.CorruptContent:
        return "damaged", 0
    hasher = Hasher.like(digest)
    buffer = bytearray(_PIECE)
    with os.fdopen(fd, "rb", buffering=0) as file:
        try:
            while count := file.readinto(buffer):
                hasher.update(memoryview(buffer)[:count])
        except OSError:  # the disk says so itself
            return "damaged", hasher.size
    return ("" if hasher.digest() == digest else "damaged"), hasher.size


def _state(registry: Registry, digest: str) -> tuple[int, int] | None:
    """Return what tells one file of a blob from another that took its place."""
    try:
        found = os.lstat(registry.blobs.path(digest))
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns


def _discard(registry: Registry, digest: str, state: tuple[int, int] | None) -> None:
    """Remove a damaged blob, unless a push has brought another meanwhile."""
    with registry.home.lock(CONTENT_LOCK):
        if _state(registry, digest) == state:
            registry.blobs.remove(digest)


def _holders(registry: Registry, identity: Identity, digest: str) -> tuple[str, ...]:
    """Return some repositories that have a blob, of those that may be known; none when it has gone by now."""
    with registry.reader.reading() as connection:
        rows = connection.execute(_HOLDERS, (digest, _MOST_NAMES)).fetchall()
    return tuple(name for (name,) in rows if identity.level(name) >= Level.READ)
