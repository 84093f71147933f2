"""Pushes of manifests: taken in with all that they need, in one transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from containerlab.distribution.server import events
from containerlab.distribution.server.content import blobs, catalog, manifests
from containerlab.distribution.server.content.catalog import Repository
from containerlab.distribution.server.content.documents import Document
from containerlab.distribution.server.organizations import quotas
from containerlab.distribution.server.problems import Changed, DigestInvalid, ManifestBlobUnknown
from containerlab.distribution.server.registry import Registry
from containerlab.distribution.server.rights import Identity
from containerlab.distribution.server.rules import immutability
from containerlab.oci import digest as digests
from containerlab.oci.image import Descriptor
from containerlab.store.blobs import CONTENT_LOCK

__all__ = ["Condition", "Push", "Pushed", "push"]


class Condition(NamedTuple):
    """What a tag must be for a push to change it: one of `digests`, or with `is_new` nothing yet."""

    digests: Sequence[str] = ()
    is_new: bool = False

    def is_met(self, digest: str) -> bool:
        """Tell whether it is met by a tag that leads to a digest; empty: there is no such tag."""
        if self.is_new and digest:
            return False
        return not self.digests or digest in self.digests or ("*" in self.digests and bool(digest))


class Push(NamedTuple):
    """What somebody pushes."""

    document: Document
    digest: str = ""
    """What it must be; empty: whatever sha256 makes of it."""
    tags: Sequence[str] = ()
    """What shall lead to it."""
    condition: Condition = Condition()
    """Of each tag."""


class Pushed(NamedTuple):
    """What a push did."""

    digest: str
    subject: str
    has_subject: bool
    """Whether the subject is here."""


def push(registry: Registry, identity: Identity, name: str, wanted: Push) -> Pushed:
    """Take a manifest in, on the disk before this returns, and let tags lead to it.

    Its blobs must be in the same repository already, and the manifests of an index too; its subject may come
    later.

    Raises: NameInvalid, NotPermitted, DigestInvalid, ManifestInvalid, ManifestBlobUnknown; Changed when the
        condition is not met.
    """
    document = wanted.document
    for tag in wanted.tags:
        manifests.check_tag(tag)
    digest = _digest(wanted)
    # Held from the blob to the row that names it, so that no collection comes between.
    with registry.home.lock(CONTENT_LOCK, shared=True):
        with registry.reader.reading() as connection:
            found = catalog.require_push(connection, identity, name)
            _require_parts(connection, found, document)
        _store(registry, document, digest)
        with registry.database.writing() as connection:
            repository = catalog.provide(registry, connection, identity, name)
            _require_parts(connection, repository, document)
            quotas.check(connection, repository.organization, len(document.raw), digest)
            _Entry(registry, connection, identity, repository, digest).write(wanted)
            has_subject = bool(document.subject) and manifests.has(connection, repository, document.subject)
    return Pushed(digest, document.subject, has_subject)


def _digest(wanted: Push) -> str:
    """Return the digest of what is pushed.

    Raises: DigestInvalid when it is not the one that was named.
    """
    if wanted.digest:
        blobs.checked_digest(wanted.digest)
    found = digests.of(wanted.document.raw, digests.algorithm(wanted.digest) or "sha256")
    if wanted.digest not in ("", found):
        raise DigestInvalid(f"the manifest has the digest {found}, not {wanted.digest}")
    return found


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
        if part.is_elsewhere or (repository and _has(connection, repository, part.kind, part.digest)):
            continue
        raise ManifestBlobUnknown(f"the {part.kind} {part.digest} is not here", "push it first")


def _has(connection: sqlite3.Connection, repository: Repository, kind: str, digest: str) -> bool:
    if kind == "manifest":
        return manifests.has(connection, repository, digest)
    return blobs.linked_size(connection, repository, digest) is not None


class _Entry(NamedTuple):
    """A manifest on its way into the database."""

    registry: Registry
    connection: sqlite3.Connection
    identity: Identity
    repository: Repository
    digest: str

    def write(self, wanted: Push) -> None:
        """Write all that the database has of it."""
        self._write_manifest(wanted.document)
        parts = [part.digest for part in wanted.document.parts]
        blobs.keep_promises(self.connection, self.identity, self.repository.id, parts)
        for tag in wanted.tags:
            self._write_tag(tag, wanted.condition)
        for tag in wanted.tags or ("",):
            about = {"repository": self.repository.name, "tag": tag, "digest": self.digest}
            events.note(self.registry, self.connection, self.identity, "push", **about)

    def _write_manifest(self, document: Document) -> None:
        self.connection.execute(
            "INSERT INTO manifests (repository, digest, media_type, size, artifact_type, subject,"
            " annotations, pushed, pushed_by) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (repository, digest) DO UPDATE SET media_type = excluded.media_type,"
            " pushed = excluded.pushed, pushed_by = excluded.pushed_by",
            (
                *(self.repository.id, self.digest, document.media_type, len(document.raw)),
                *(document.artifact_type, document.subject),
                msgspec.json.encode(document.annotations).decode(),
                *(self.registry.now(), self.identity.name),
            ),
        )
        self.connection.executemany(
            "INSERT OR IGNORE INTO parts (repository, manifest, digest, kind) VALUES (?, ?, ?, ?)",
            ((self.repository.id, self.digest, part.digest, part.kind) for part in document.parts),
        )

    def _write_tag(self, tag: str, condition: Condition) -> None:
        old = manifests.resolve(self.connection, self.repository, tag) or ""
        if not condition.is_met(old):
            what = f"{self.repository.name}:{tag}"
            raise Changed(f"{what} leads to {old}" if old else f"there is no {what}", "look at what is there")
        immutability.check(self.connection, self.repository.name, tag, old, self.digest)
        self.connection.execute(
            "INSERT INTO tags (repository, name, digest, updated) VALUES (?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET digest = excluded.digest, updated = excluded.updated",
            (self.repository.id, tag, self.digest, self.registry.now()),
        )
