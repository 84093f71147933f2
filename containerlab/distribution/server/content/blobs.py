"""Blobs as repositories have them: reading, linking, mounting, taking away.

A blob lies in the store once. A repository has it when a row in `links` says so, and only through such a
repository it can be read: a digest is no right (CVE-2024-39897).
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable

import msgspec

from containerlab import errors
from containerlab.distribution.server import events
from containerlab.distribution.server.content import catalog
from containerlab.distribution.server.content.catalog import Repository
from containerlab.distribution.server.organizations import quotas
from containerlab.distribution.server.problems import BlobUnknown, DigestInvalid, Unsupported
from containerlab.distribution.server.registry import Registry
from containerlab.distribution.server.rights import Identity, Level
from containerlab.oci import digest as digests
from containerlab.oci.image import Descriptor
from containerlab.store.blobs import CONTENT_LOCK

__all__ = [
    "Blob",
    "checked_digest",
    "delete",
    "find",
    "is_genuine",
    "keep_promises",
    "link",
    "linked_size",
    "mount",
    "open_file",
    "promise",
]

_PIECE_BYTES = 1 << 20
_MOST_SOURCES = 100
"""Repositories that a mount without `from` looks through."""


class Blob(msgspec.Struct, frozen=True):
    """A blob of a repository."""

    digest: str
    size: int


def checked_digest(text: str) -> str:
    """Return a digest that can be worked with.

    Raises: DigestInvalid.
    """
    try:
        return digests.parse(text)
    except errors.InvalidInput as error:
        raise DigestInvalid(error.message, error.hint) from None


def find(registry: Registry, identity: Identity, name: str, digest: str) -> Blob:
    """Return a blob of a repository; it is there, with the right size.

    Raises: NameInvalid, DigestInvalid, NotPermitted, NameUnknown, BlobUnknown.
    """
    checked_digest(digest)
    with registry.quick.reading() as connection:
        repository = catalog.allowed(connection, identity, name, Level.READ)
        size = linked_size(connection, repository, digest)
    if size is None or not _is_whole(registry, digest, size):
        raise BlobUnknown(f"no such blob in {name}: {digest}")
    return Blob(digest, size)


def linked_size(connection: sqlite3.Connection, repository: Repository, digest: str) -> int | None:
    """Return the bytes of a blob that a repository has; None when it has it not."""
    row = connection.execute(
        "SELECT size FROM links WHERE repository = ? AND digest = ?", (repository.id, digest)
    ).fetchone()
    return int(row[0]) if row else None


def _is_whole(registry: Registry, digest: str, size: int) -> bool:
    try:
        return registry.blobs.size(digest) == size
    except errors.NotFound:
        return False


def open_file(registry: Registry, blob: Blob) -> int:
    """Open a blob and return its descriptor, which who asked closes.

    Raises: BlobUnknown, also for something planted in its place.
    """
    try:
        return registry.blobs.open_fd(blob.digest, blob.size)
    except (errors.NotFound, errors.CorruptContent) as error:
        raise BlobUnknown(error.message) from error


def is_genuine(fd: int, blob: Blob) -> bool:
    """Tell whether an open blob can be trusted to be what its name says.

    What nobody else has a name for came in verified. A file with several names may have been written to by
    another one, or have been planted: so its digest is computed.
    """
    if os.fstat(fd).st_nlink == 1:
        return True
    hasher = digests.Hasher.like(blob.digest)
    while piece := os.pread(fd, _PIECE_BYTES, hasher.size):
        hasher.update(piece)
    return hasher.digest() == blob.digest


def link(
    registry: Registry, connection: sqlite3.Connection, identity: Identity, name: str, blob: Blob
) -> None:
    """Let a repository have a blob; only for who holds CONTENT_LOCK since the blob was there.

    Raises: Denied when its organisation has no room for it.
    """
    repository = catalog.provide(registry, connection, identity, name)
    quotas.check(connection, repository.organization, blob.size, blob.digest)
    connection.execute(
        "INSERT INTO links (repository, digest, size, added) VALUES (?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET size = excluded.size, added = excluded.added",
        (repository.id, blob.digest, blob.size, registry.now()),
    )
    _promise(registry, connection, identity, repository.id, blob.digest)


def promise(registry: Registry, identity: Identity, name: str, digest: str) -> bool:
    """Note that somebody who may push has been told that a blob is there; tell whether it still is.

    Until they send a manifest with it, or the grace period ends, no collection takes it from the repository.
    """
    with registry.notes.writing() as connection:
        repository = catalog.find(connection, name)
        if repository is None or linked_size(connection, repository, digest) is None:
            return False
        _promise(registry, connection, identity, repository.id, digest)
        return True


def _promise(
    registry: Registry, connection: sqlite3.Connection, identity: Identity, repository: int, digest: str
) -> None:
    connection.execute(
        "INSERT INTO promises (repository, digest, account, made) VALUES (?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET made = excluded.made",
        (repository, digest, identity.name, registry.now()),
    )


def keep_promises(
    connection: sqlite3.Connection, identity: Identity, repository: int, digests: Iterable[str]
) -> None:
    """Forget what somebody was told is there: the manifest has come that needs it."""
    connection.executemany(
        "DELETE FROM promises WHERE repository = ? AND digest = ? AND account = ?",
        ((repository, digest, identity.name) for digest in digests),
    )


def mount(registry: Registry, identity: Identity, name: str, digest: str, source: str = "") -> Blob | None:
    """Let a repository have a blob that another one has which they may read; `source`, or any.

    Returns None when there is none: whether it exists is not told to who may not read it.
    """
    checked_digest(digest)
    with registry.home.lock(CONTENT_LOCK, shared=True):
        found = _elsewhere(registry, identity, digest, source)
        wanted = found and Descriptor(media_type="", digest=found.digest, size=found.size)
        if found is None or not wanted or not registry.blobs.keep(wanted):
            return None
        with registry.database.writing() as connection:
            link(registry, connection, identity, name, found)
        return found


def _elsewhere(registry: Registry, identity: Identity, digest: str, source: str) -> Blob | None:
    with registry.reader.reading() as connection:
        rows = connection.execute(
            "SELECT name, is_public, size FROM links JOIN repositories ON repository = id"
            " WHERE digest = ? AND (? = '' OR name = ?) LIMIT ?",
            (digest, source, source, _MOST_SOURCES),
        ).fetchall()
    for name, is_public, size in rows:
        if identity.level(name, is_public=bool(is_public)) >= Level.READ:
            return Blob(digest, size)
    return None


def delete(registry: Registry, identity: Identity, name: str, digest: str) -> None:
    """Take a blob away from a repository; the store's collection removes it when nobody has it any more.

    Raises: BlobUnknown; Unsupported while a manifest of the repository needs it.
    """
    checked_digest(digest)
    with registry.database.writing() as connection:
        repository = catalog.allowed(connection, identity, name, Level.MANAGE)
        if linked_size(connection, repository, digest) is None:
            raise BlobUnknown(f"no such blob in {name}: {digest}")
        user = connection.execute(
            "SELECT manifest FROM parts WHERE repository = ? AND digest = ? LIMIT 1", (repository.id, digest)
        ).fetchone()
        if user:
            raise Unsupported(f"the manifest {user[0]} needs this blob", "delete the manifest first")
        connection.execute("DELETE FROM links WHERE repository = ? AND digest = ?", (repository.id, digest))
        events.note(registry, connection, identity, "blob.delete", repository=name, digest=digest)
