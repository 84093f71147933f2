"""Taking images away: names first, then images without name, then blobs that nothing needs.

`in_use` gives the names of the containers that were made from an image id.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Collection, Iterator

import msgspec

from containerlab import errors
from containerlab.oci.reference import Reference
from containerlab.store import holdings, index, lookup
from containerlab.store.blobs import CONTENT_LOCK
from containerlab.store.images import Images

__all__ = ["InUse", "collect", "collectable", "discard", "leased", "prune", "remove"]

InUse = Callable[[str], list[str]]
_NEEDED = "SELECT digest FROM contents WHERE kind = 'blob' UNION SELECT digest FROM build_steps"
_AMONG = " WHERE digest IN (SELECT value FROM json_each(?))"


def remove(images: Images, name: str, in_use: InUse, *, force: bool = False) -> list[str]:
    """Remove a name, and with its last name the image; an id or a digest removes the image at once.

    Returns a line for each thing that is gone, as Docker prints them. With `force` all names of an id go, and
    an image that containers use loses only its names.

    Raises: NotFound, InvalidInput; Conflict when containers use the image or an id has several names.
    """
    with images.database.writing() as connection:
        match = lookup.find(connection, name)
        names = lookup.names_of(connection, match.image.digest)
        doomed = (Reference.parse(match.name).familiar(),) if match.name else names
        if len(doomed) > 1 and not force:
            raise errors.Conflict(
                f"image {name} has several names: {', '.join(doomed)}",
                "remove them one by one, or use --force",
            )
        is_last = len(doomed) == len(names)
        users = _users(connection, match.image.digest, in_use) if is_last else []
        if users and not force:
            raise errors.Conflict(
                f"image {name} is used by the container {', '.join(users)}", "remove the container first"
            )
        lines = _untag(connection, doomed)
        if is_last and not users:
            lines += _delete(connection, match.image.digest)
        index.write(images.home, connection)
    collect(images)
    return lines


def prune(
    images: Images, in_use: InUse, *, everything: bool = False, among: Collection[str] | None = None
) -> tuple[list[str], int]:
    """Remove the images that have no name, or with `everything` all that no container uses.

    among: the digests of those that may go; all if None.

    Returns what is gone, as `remove` does, and the bytes that this freed.
    """
    lines: list[str] = []
    with images.database.writing() as connection:
        for (digest,) in connection.execute("SELECT digest FROM images ORDER BY digest").fetchall():
            names = lookup.names_of(connection, digest)
            if among is not None and digest not in among:
                continue
            if (names and not everything) or _users(connection, digest, in_use):
                continue
            lines += _untag(connection, names) + _delete(connection, digest)
        index.write(images.home, connection)
    return lines, collect(images) + images.home.drop_partials()


@contextlib.contextmanager
def leased(images: Images) -> Iterator[None]:
    """Hold a lease while blobs come in; afterwards collect what was of no use, all of it after an error."""
    try:
        with images.blobs.lease():
            yield
    finally:
        collect(images)


def collect(images: Images, among: Collection[str] | None = None) -> int:
    """Remove the blobs that no image, build step, repository and lease needs; return the bytes freed.

    among: the digests of those that may go; all if None.
    """
    # Looked for first without the lock: to go through all blobs must hold up nobody who adds some.
    garbage = _garbage(images, among)
    if not garbage:
        return 0
    with images.home.lock(CONTENT_LOCK):
        return sum(map(images.blobs.remove, _garbage(images, garbage)))


def collectable(images: Images, released: Collection[str] = ()) -> int:
    """Return the bytes that a collection would free if no repository needed what is `released`."""
    sizes = 0
    for digest in _garbage(images, None, frozenset(released)):
        with contextlib.suppress(errors.NotFound):  # somebody else collects
            sizes += images.blobs.size(digest)
    return sizes


def _garbage(
    images: Images, among: Collection[str] | None, released: Collection[str] = frozenset()
) -> list[str]:
    leased_since = images.blobs.leased_since()
    with images.database.reading() as connection:
        if among is None:
            rows = connection.execute(_NEEDED)
        else:
            rows = connection.execute(
                f"SELECT digest FROM ({_NEEDED}){_AMONG}", (msgspec.json.encode(list(among)).decode(),)
            )
        needed = {digest for (digest,) in rows}
    needed |= holdings.held(images.home, among).difference(released)
    return [
        digest
        for digest in (images.blobs.digests() if among is None else among)
        if digest not in needed and images.blobs.added(digest) < leased_since
    ]


def discard(images: Images, digest: str) -> None:
    """Remove a blob at once, although it is leased, unless an image, a build step or a repository has it."""
    with images.home.lock(CONTENT_LOCK):
        with images.database.reading() as connection:
            is_needed = connection.execute(
                f"SELECT 1 FROM ({_NEEDED}) WHERE digest = ?", (digest,)
            ).fetchone()
        if not is_needed and not holdings.held(images.home, [digest]):
            images.blobs.remove(digest)


def _users(connection: sqlite3.Connection, digest: str, in_use: InUse) -> list[str]:
    rows = connection.execute("SELECT DISTINCT id FROM manifests WHERE image = ?", (digest,)).fetchall()
    return sorted({user for (image_id,) in rows for user in in_use(image_id)})


def _untag(connection: sqlite3.Connection, names: tuple[str, ...]) -> list[str]:
    full = [(Reference.parse(name).full(),) for name in names]
    connection.executemany("DELETE FROM names WHERE name = ?", full)
    return [f"Untagged: {name}" for name in names]


def _delete(connection: sqlite3.Connection, digest: str) -> list[str]:
    ids = connection.execute(
        "SELECT id FROM manifests WHERE image = ? ORDER BY position", (digest,)
    ).fetchall()
    connection.execute("DELETE FROM images WHERE digest = ?", (digest,))
    return [f"Deleted: {image_id}" for (image_id,) in ids]
