"""Examinations of images: asked for, and what was found."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from typing import Any

import msgspec

from containerlab import errors
from containerlab.distribution.api.examinations import (
    Examination,
    ExaminationKind,
    Examinations,
    SecretFound,
)
from containerlab.distribution.api.values import Page
from containerlab.distribution.server.api.binding import serves
from containerlab.distribution.server.content import catalog
from containerlab.distribution.server.problems import ManifestUnknown
from containerlab.distribution.server.registry import Registry
from containerlab.distribution.server.rights import Identity, Level
from containerlab.distribution.server.upkeep.examining import IMAGES, examine

__all__ = ["audit", "forget_lost", "listed", "run", "sbom"]

_BELOW = """
WITH RECURSIVE below (digest) AS (
    SELECT digest FROM manifests WHERE repository = :repository AND digest = :root
    UNION SELECT p.digest FROM parts p JOIN below b ON p.manifest = b.digest
        WHERE p.repository = :repository AND p.kind = 'manifest'
)
"""
_ABOVE = """
WITH RECURSIVE above (digest) AS (
    SELECT :digest UNION SELECT p.manifest FROM parts p JOIN above a ON p.digest = a.digest
        WHERE p.repository = :repository
)
SELECT name FROM tags WHERE repository = :repository AND digest IN (SELECT digest FROM above) ORDER BY name
"""
_MOST_LISTED = 1000
_MOST_TAGS = 50


@serves(Examinations.run)
def run(
    registry: Registry,
    identity: Identity,
    repository: str,
    reference: str,
    *,
    kind: ExaminationKind = "audit",
    again: bool = False,
) -> Page[Examination]:
    """Examine the images that a tag or digest leads to.

    Raises: NotPermitted, NameUnknown, ManifestUnknown; Unsupported when there is no such examiner.
    """
    if kind not in registry.examiners:
        raise errors.Unsupported(f"this registry has no examiner for {kind}")
    digests = _images(registry, identity, repository, reference)
    for digest in digests:
        examine(registry, identity, repository, digest, kind, again=again)
    return Page(tuple(_found(registry, identity, repository, digests, kind)))


def _images(registry: Registry, identity: Identity, repository: str, reference: str) -> list[str]:
    """Return the manifests of images that a reference leads to."""
    with registry.reader.reading() as connection:
        found = catalog.allowed(connection, identity, repository, Level.READ)
        row = connection.execute(
            "SELECT digest FROM tags WHERE repository = ? AND name = ?"
            " UNION SELECT digest FROM manifests WHERE repository = ? AND digest = ?",
            (found.id, reference, found.id, reference),
        ).fetchone()
        if row is None:
            raise ManifestUnknown(f"no such manifest in {repository}: {reference[:100]}")
        rows = connection.execute(
            f"{_BELOW} SELECT digest FROM manifests WHERE repository = :repository AND {IMAGES}"
            " AND digest IN (SELECT digest FROM below) ORDER BY digest",
            {"repository": found.id, "root": row[0]},
        ).fetchall()
    if not rows:
        raise errors.Unsupported(f"{repository}:{reference} is no image, or not here as a whole")
    return [digest for (digest,) in rows]


@serves(Examinations.list)
def listed(
    registry: Registry, identity: Identity, repository: str, reference: str | None = None
) -> Page[Examination]:
    """Return what was examined in a repository, the last ones first.

    Raises: NotPermitted, NameUnknown, ManifestUnknown.
    """
    digests = None if reference is None else _images(registry, identity, repository, reference)
    return Page(tuple(_found(registry, identity, repository, digests, None)))


def _found(
    registry: Registry,
    identity: Identity,
    repository: str,
    digests: Iterable[str] | None,
    kind: ExaminationKind | None,
) -> list[Examination]:
    wanted = None if digests is None else json.dumps(list(digests))
    with registry.reader.reading() as connection:
        here = catalog.allowed(connection, identity, repository, Level.READ)
        rows = connection.execute(
            "SELECT digest, kind, made, counts, problem FROM examinations"
            f" WHERE digest IN (SELECT digest FROM manifests WHERE repository = ?1 AND {IMAGES})"
            " AND (?2 IS NULL OR digest IN (SELECT value FROM json_each(?2))) AND (?3 IS NULL OR kind = ?3)"
            " ORDER BY made DESC, digest, kind LIMIT ?4",
            (here.id, wanted, kind, _MOST_LISTED),
        ).fetchall()
        tags = {digest: _tags(connection, here.id, digest) for digest in {row[0] for row in rows}}
    return [
        Examination(
            repository=repository,
            tags=tags[digest],
            digest=digest,
            kind=each,
            made=made,
            counts=json.loads(counts),
            problem=problem,
        )
        for digest, each, made, counts, problem in rows
    ]


def _tags(connection: sqlite3.Connection, repository: int, digest: str) -> tuple[str, ...]:
    rows = connection.execute(_ABOVE, {"repository": repository, "digest": digest})
    return tuple(name for (name,) in rows.fetchmany(_MOST_TAGS))


@serves(Examinations.audit)
def audit(registry: Registry, identity: Identity, repository: str, reference: str) -> Page[SecretFound]:
    """Return the secrets that an audit has found.

    Raises: NotPermitted, NotFound.
    """
    document = _document(registry, identity, repository, reference, "audit")
    return Page(msgspec.json.decode(document, type=tuple[SecretFound, ...]))


@serves(Examinations.sbom)
def sbom(registry: Registry, identity: Identity, repository: str, reference: str) -> dict[str, Any]:
    """Return an SPDX document.

    Raises: NotPermitted, NotFound.
    """
    document = _document(registry, identity, repository, reference, "sbom")
    return msgspec.json.decode(document, type=dict[str, Any])


def _document(
    registry: Registry, identity: Identity, repository: str, reference: str, kind: ExaminationKind
) -> str:
    digest, *others = _images(registry, identity, repository, reference)
    if others:
        raise errors.InvalidInput(
            f"{repository}:{reference} is several images", f"name one by its digest: {digest}, {others[0]}, …"
        )
    with registry.reader.reading() as connection:
        row = connection.execute(
            "SELECT document, problem FROM examinations WHERE digest = ? AND kind = ?", (digest, kind)
        ).fetchone()
    if row is None:
        raise errors.NotFound(f"no {kind} of {repository}@{digest}", "examine it first")
    if row[1]:
        raise errors.NotFound(f"no {kind} of {repository}@{digest}: {row[1]}", "examine it again")
    return str(row[0])


def forget_lost(registry: Registry) -> None:
    """Forget what was found in images that are in no repository any more."""
    with registry.database.writing() as connection:
        connection.execute("DELETE FROM examinations WHERE digest NOT IN (SELECT digest FROM manifests)")
