"""Referrers: the manifests that are about another one, as signatures and lists of packages are."""

from __future__ import annotations

import sqlite3

import msgspec

from containerlab import errors
from containerlab.distribution.server.content import blobs, catalog, manifests
from containerlab.distribution.server.content.catalog import Repository
from containerlab.distribution.server.problems import NameUnknown
from containerlab.distribution.server.registry import Registry
from containerlab.distribution.server.rights import Identity, Level
from containerlab.oci.distribution import fallback_tag
from containerlab.oci.image import OCI_INDEX, Descriptor, Index, decode_document

__all__ = ["Referrers", "find"]

_MOST = 1000
_MOST_BYTES = 3 << 20
"""Of annotations in one answer: it has to stay below what clients read of a manifest."""


class Referrers(msgspec.Struct, frozen=True):
    """Some descriptors, by their digests, and whether there are more."""

    descriptors: list[Descriptor]
    has_more: bool


def find(
    registry: Registry, identity: Identity, name: str, digest: str, artifact_type: str = "", last: str = ""
) -> Referrers:
    """Return what is about a manifest, which need not be here itself; with a type only what is of it.

    Raises: NameInvalid, NotPermitted, DigestInvalid.
    """
    blobs.checked_digest(digest)
    with registry.reader.reading() as connection:
        try:
            repository = catalog.allowed(connection, identity, name, Level.READ)
        except NameUnknown:
            return Referrers([], False)
        rows = connection.execute(
            "SELECT digest, media_type, size, artifact_type, annotations FROM manifests"
            " WHERE repository = ? AND subject = ? AND digest > ? AND (? = '' OR artifact_type = ?)"
            " ORDER BY digest LIMIT ?",
            (repository.id, digest, last, artifact_type, artifact_type, _MOST + 1),
        ).fetchall()
        old = [
            each
            for each in _fallback(registry, connection, repository, digest)
            if manifests.has(connection, repository, each.digest)
        ]
    found = {row[0]: _descriptor(row) for row in rows}
    for each in old:
        if each.digest > last and artifact_type in ("", each.artifact_type):
            found.setdefault(each.digest, each)
    return _page([found[key] for key in sorted(found)])


def _descriptor(row: tuple[str, str, int, str, str]) -> Descriptor:
    digest, media_type, size, artifact_type, annotations = row
    return Descriptor(
        media_type=media_type,
        digest=digest,
        size=size,
        artifact_type=artifact_type,
        annotations=msgspec.json.decode(annotations, type=dict[str, str]),
    )


def _fallback(
    registry: Registry, connection: sqlite3.Connection, repository: Repository, digest: str
) -> tuple[Descriptor, ...]:
    """Return what clients have written down in a tag, as they did before there were referrers.

    Source: distribution-spec 1.1, section Enabling the Referrers API.
    """
    row = connection.execute(
        "SELECT digest FROM tags JOIN manifests USING (repository, digest)"
        " WHERE repository = ? AND name = ? AND media_type = ?",
        (repository.id, fallback_tag(digest), OCI_INDEX),
    ).fetchone()
    if row is None:
        return ()
    try:
        index = decode_document(registry.blobs.read(row[0]), OCI_INDEX)
    except errors.LabError:
        return ()
    return index.manifests if isinstance(index, Index) else ()


def _page(found: list[Descriptor]) -> Referrers:
    """Take as many as an answer can have, at least one."""
    total, count = 0, 0
    for each in found[:_MOST]:
        total += sum(len(key) + len(value) for key, value in each.annotations.items())
        if count and total > _MOST_BYTES:
            break
        count += 1
    return Referrers(found[:count], count < len(found))
