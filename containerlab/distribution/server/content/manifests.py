"""Manifests: found by tag and digest, and taken away."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

import msgspec

from containerlab import errors
from containerlab.distribution.server import events
from containerlab.distribution.server.content import blobs, catalog, releasing
from containerlab.distribution.server.content.catalog import Repository
from containerlab.distribution.server.problems import (
    ManifestInvalid,
    ManifestUnknown,
)
from containerlab.distribution.server.registry import Registry
from containerlab.distribution.server.rights import Identity, Level
from containerlab.distribution.server.rules import immutability
from containerlab.oci.distribution import is_tag

__all__ = [
    "Manifest",
    "check_tag",
    "delete",
    "delete_manifest",
    "delete_tags",
    "find",
    "has",
    "read",
    "resolve",
]

_MOST_SHOWN = 200


class Manifest(msgspec.Struct, frozen=True):
    """A manifest of a repository."""

    repository: str
    digest: str
    media_type: str
    size: int


def find(registry: Registry, identity: Identity, name: str, reference: str) -> Manifest:
    """Return what a tag or a digest leads to; it takes microseconds.

    Raises: NameInvalid, NotPermitted, NameUnknown, DigestInvalid, ManifestInvalid, ManifestUnknown.
    """

    def look(connection: sqlite3.Connection) -> tuple[Repository | None, Manifest | None]:
        repository = catalog.find(connection, name)
        return repository, _look_up(connection, repository, reference) if repository else None

    repository, found = registry.remembered.look((name, reference), look)
    catalog.require_read(identity, name, repository)
    if found is None:
        raise _unknown(name, reference)
    return found


def _look_up(connection: sqlite3.Connection, repository: Repository, reference: str) -> Manifest | None:
    row = connection.execute(
        "SELECT digest, media_type, size FROM manifests WHERE repository = ? AND digest = ?",
        (repository.id, resolve(connection, repository, reference)),
    ).fetchone()
    return Manifest(repository.name, *row) if row else None


def resolve(connection: sqlite3.Connection, repository: Repository, reference: str) -> str | None:
    """Return the digest that a tag leads to, None if there is none; a digest leads to itself."""
    if ":" in reference:
        return blobs.checked_digest(reference)
    check_tag(reference)
    row = connection.execute(
        "SELECT digest FROM tags WHERE repository = ? AND name = ?", (repository.id, reference)
    ).fetchone()
    return str(row[0]) if row else None


def check_tag(tag: str) -> None:
    """Raise ManifestInvalid for what is no tag."""
    if not is_tag(tag):
        raise ManifestInvalid(f"{tag[:_MOST_SHOWN]!r} is neither a tag nor a digest", "as 1.0 or latest")


def _unknown(name: str, reference: str) -> ManifestUnknown:
    return ManifestUnknown(f"no such manifest in {name}: {reference[:_MOST_SHOWN]}")


def has(connection: sqlite3.Connection, repository: Repository, digest: str) -> bool:
    """Tell whether a repository has a manifest."""
    query = "SELECT 1 FROM manifests WHERE repository = ? AND digest = ?"
    return connection.execute(query, (repository.id, digest)).fetchone() is not None


def read(registry: Registry, manifest: Manifest) -> bytes:
    """Return the bytes of a manifest, verified.

    Raises: ManifestUnknown when they are lost or damaged.
    """
    try:
        return registry.document(manifest.digest)
    except (errors.NotFound, errors.CorruptContent) as error:
        raise ManifestUnknown(error.message, "push it again") from error


def delete(
    registry: Registry, identity: Identity, name: str, reference: str, *, frees_space: bool = True
) -> None:
    """Take a tag away; or by its digest a manifest, with all its tags.

    frees_space: whether the blobs go that no other manifest needs; else `garbage.Deletions` lets them go.

    Raises: NameInvalid, NotPermitted, NameUnknown, ManifestInvalid, ManifestUnknown.
    """
    is_tag = ":" not in reference
    lost: list[str] = []
    with registry.database.writing() as connection:
        repository = catalog.allowed(connection, identity, name, Level.WRITE if is_tag else Level.MANAGE)
        digest = resolve(connection, repository, reference)
        if digest and is_tag:
            delete_tags(registry, connection, identity, repository, [reference])
        elif not digest:
            raise _unknown(name, reference)
        else:
            parts = _parts(connection, repository, digest)
            if not delete_manifest(registry, connection, identity, repository, digest):
                raise _unknown(name, reference)
            lost = [digest]
            if frees_space:
                lost += releasing.let_go(registry, connection, repository.id, parts)
    if lost:
        releasing.release(registry, lost)


def _parts(connection: sqlite3.Connection, repository: Repository, digest: str) -> list[str]:
    rows = connection.execute(
        "SELECT digest FROM parts WHERE repository = ? AND manifest = ?", (repository.id, digest)
    )
    return [part for (part,) in rows]


def delete_tags(
    registry: Registry,
    connection: sqlite3.Connection,
    identity: Identity,
    repository: Repository,
    tags: Iterable[str],
) -> None:
    """Take tags away; what they led to stays.

    Raises: Denied when one is immutable, and then none may go: the transaction has to be undone.
    """
    for tag in tags:
        row = connection.execute(
            "DELETE FROM tags WHERE repository = ? AND name = ? RETURNING digest", (repository.id, tag)
        ).fetchone()
        if row:
            immutability.check(connection, repository.name, tag, row[0], "")
            events.note(
                registry,
                connection,
                identity,
                "tag.delete",
                repository=repository.name,
                tag=tag,
                digest=row[0],
            )


def delete_manifest(
    registry: Registry,
    connection: sqlite3.Connection,
    identity: Identity,
    repository: Repository,
    digest: str,
) -> bool:
    """Take a manifest away with its tags; tell whether it was there."""
    rows = connection.execute(
        "SELECT name FROM tags WHERE repository = ? AND digest = ?", (repository.id, digest)
    ).fetchall()
    delete_tags(registry, connection, identity, repository, [name for (name,) in rows])
    count = connection.execute(
        "DELETE FROM manifests WHERE repository = ? AND digest = ?", (repository.id, digest)
    ).rowcount
    if count:
        events.note(registry, connection, identity, "delete", repository=repository.name, digest=digest)
    return bool(count)
