"""Manifests: put in with all that they need, found by tag and digest, taken away."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from containerlab import errors
from containerlab.distribution.server import catalog, content, events, immutability, quotas, releasing
from containerlab.distribution.server.catalog import Repository
from containerlab.distribution.server.documents import Document
from containerlab.distribution.server.problems import (
    Changed,
    DigestInvalid,
    ManifestBlobUnknown,
    ManifestInvalid,
    ManifestUnknown,
)
from containerlab.distribution.server.registry import Registry
from containerlab.distribution.server.rights import Identity, Level
from containerlab.oci import digest as digests
from containerlab.oci.distribution import is_tag
from containerlab.oci.image import Descriptor
from containerlab.store.blobs import CONTENT_LOCK

__all__ = [
    "Condition",
    "Manifest",
    "Pushed",
    "delete",
    "delete_manifest",
    "delete_tags",
    "find",
    "put",
    "read",
]

_MOST_SHOWN = 200


class Manifest(msgspec.Struct, frozen=True):
    """A manifest of a repository."""

    repository: str
    digest: str
    media_type: str
    size: int


class Condition(NamedTuple):
    """What a tag must be for a push to change it: one of `digests`, or with `is_new` nothing yet."""

    digests: Sequence[str] = ()
    is_new: bool = False


class Pushed(NamedTuple):
    """What a push did."""

    digest: str
    tags: tuple[str, ...]
    subject: str
    has_subject: bool
    """Whether the subject is here."""


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
        (repository.id, _resolve(connection, repository, reference)),
    ).fetchone()
    return Manifest(repository.name, *row) if row else None


def _resolve(connection: sqlite3.Connection, repository: Repository, reference: str) -> str | None:
    """Return the digest that a tag leads to; a digest leads to itself."""
    if ":" in reference:
        return content.checked_digest(reference)
    _check_tag(reference)
    row = connection.execute(
        "SELECT digest FROM tags WHERE repository = ? AND name = ?", (repository.id, reference)
    ).fetchone()
    return str(row[0]) if row else None


def _check_tag(tag: str) -> None:
    if not is_tag(tag):
        raise ManifestInvalid(f"{tag[:_MOST_SHOWN]!r} is neither a tag nor a digest", "as 1.0 or latest")


def _unknown(name: str, reference: str) -> ManifestUnknown:
    return ManifestUnknown(f"no such manifest in {name}: {reference[:_MOST_SHOWN]}")


def read(registry: Registry, manifest: Manifest) -> bytes:
    """Return the bytes of a manifest, verified.

    Raises: ManifestUnknown when they are lost or damaged.
    """
    raw = registry.documents.get(manifest.digest)
    if raw is None:
        try:
            raw = registry.blobs.read(manifest.digest)
        except (errors.NotFound, errors.CorruptContent) as error:
            raise ManifestUnknown(error.message, "push it again") from error
        registry.documents.keep(manifest.digest, raw)
    return raw


def put(
    registry: Registry,
    identity: Identity,
    name: str,
    document: Document,
    digest: str = "",
    tags: Sequence[str] = (),
    condition: Condition | None = None,
) -> Pushed:
    """Take a manifest in, on the disk before this returns, and let tags lead to it.

    Its blobs must be in the same repository already, and the manifests of an index too; its subject may come
    later. digest: what it must be; computed with sha256 if empty.

    Raises: NameInvalid, NotPermitted, DigestInvalid, ManifestInvalid, ManifestBlobUnknown; Changed when a
        condition is not met.
    """
    for tag in tags:
        _check_tag(tag)
    if digest:
        content.checked_digest(digest)
    found = digests.of(document.raw, digest.partition(":")[0] or "sha256")
    if digest and found != digest:
        raise DigestInvalid(f"the manifest has the digest {found}, not {digest}")
    with registry.home.lock(CONTENT_LOCK, shared=True):
        with registry.reader.reading() as connection:
            repository = catalog.require_push(connection, identity, name)
            _require_parts(connection, repository, document)
        _store(registry, document, found)
        with registry.database.writing() as connection:
            repository = catalog.provide(registry, connection, identity, name)
            _require_parts(connection, repository, document)
            quotas.check(connection, repository.organization, len(document.raw), found)
            _insert(registry, connection, identity, repository, document, found)
            content.keep_promises(
                connection, identity, repository.id, [part.digest for part in document.parts]
            )
            for tag in tags:
                _tag(registry, connection, identity, repository, tag, found, condition)
            if not tags:
                events.note(registry, connection, identity, "push", repository=name, digest=found)
            has_subject = bool(document.subject) and _has(connection, repository, document.subject)
    return Pushed(found, tuple(tags), document.subject, has_subject)


def _store(registry: Registry, document: Document, digest: str) -> None:
    descriptor = Descriptor(media_type=document.media_type, digest=digest, size=len(document.raw))
    if registry.blobs.keep(descriptor):
        return
    with registry.blobs.writer(descriptor) as writer:
        writer.write(document.raw)
        writer.commit()
    registry.blobs.sync()


def _require_parts(connection: sqlite3.Connection, repository: Repository | None, document: Document) -> None:
    """Raise ManifestBlobUnknown for the first thing that the repository does not have."""
    for part in document.parts:
        if not part.is_elsewhere and not (
            repository and _has_part(connection, repository, part.kind, part.digest)
        ):
            raise ManifestBlobUnknown(f"the {part.kind} {part.digest} is not here", "push it first")


def _has_part(connection: sqlite3.Connection, repository: Repository, kind: str, digest: str) -> bool:
    if kind == "manifest":
        return _has(connection, repository, digest)
    query = "SELECT 1 FROM links WHERE repository = ? AND digest = ?"
    return connection.execute(query, (repository.id, digest)).fetchone() is not None


def _has(connection: sqlite3.Connection, repository: Repository, digest: str) -> bool:
    query = "SELECT 1 FROM manifests WHERE repository = ? AND digest = ?"
    return connection.execute(query, (repository.id, digest)).fetchone() is not None


def _insert(
    registry: Registry,
    connection: sqlite3.Connection,
    identity: Identity,
    repository: Repository,
    document: Document,
    digest: str,
) -> None:
    connection.execute(
        "INSERT INTO manifests (repository, digest, media_type, size, artifact_type, subject, annotations,"
        " pushed, pushed_by) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (repository, digest)"
        " DO UPDATE SET media_type = excluded.media_type, pushed = excluded.pushed,"
        " pushed_by = excluded.pushed_by",
        (
            *(repository.id, digest, document.media_type, len(document.raw), document.artifact_type),
            *(document.subject, msgspec.json.encode(document.annotations).decode()),
            *(registry.now(), identity.name),
        ),
    )
    connection.executemany(
        "INSERT OR IGNORE INTO parts (repository, manifest, digest, kind) VALUES (?, ?, ?, ?)",
        ((repository.id, digest, part.digest, part.kind) for part in document.parts),
    )


def _tag(
    registry: Registry,
    connection: sqlite3.Connection,
    identity: Identity,
    repository: Repository,
    tag: str,
    digest: str,
    condition: Condition | None,
) -> None:
    row = connection.execute(
        "SELECT digest FROM tags WHERE repository = ? AND name = ?", (repository.id, tag)
    ).fetchone()
    old = row[0] if row else ""
    if condition and ((condition.is_new and old) or (condition.digests and old not in condition.digests)):
        raise Changed(f"{repository.name}:{tag} is {old or 'not there'}", "look at what it is now")
    immutability.check(connection, repository.name, tag, old, digest)
    connection.execute(
        "INSERT INTO tags (repository, name, digest, updated) VALUES (?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET digest = excluded.digest, updated = excluded.updated",
        (repository.id, tag, digest, registry.now()),
    )
    events.note(registry, connection, identity, "push", repository=repository.name, tag=tag, digest=digest)


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
        digest = _resolve(connection, repository, reference)
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
