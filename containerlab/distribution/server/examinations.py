"""Examining images: on request, and those that were pushed when there is time; what was found is kept.

An examiner works in a process of its own (see `registry.Examiner`): an image is what a stranger made.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
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
from containerlab.distribution.server import catalog, events
from containerlab.distribution.server.api.binding import serves
from containerlab.distribution.server.problems import ManifestUnknown, TooMany
from containerlab.distribution.server.registry import Registry
from containerlab.distribution.server.rights import SYSTEM, Identity, Level
from containerlab.oci.image import DOCKER_CONFIG, OCI_CONFIG

__all__ = ["Examining", "audit", "forget_lost", "listed", "run", "sbom"]

_ONE_AT_A_TIME = threading.Lock()
_PATIENCE_S = 60.0
_IMAGES = f"""artifact_type IN ('{OCI_CONFIG}', '{DOCKER_CONFIG}') AND NOT EXISTS (
    SELECT 1 FROM parts p WHERE p.repository = manifests.repository AND p.manifest = manifests.digest
        AND p.kind != 'manifest' AND NOT EXISTS (
            SELECT 1 FROM links l WHERE l.repository = p.repository AND l.digest = p.digest))"""
"""Those of which the repository has all. Of what an image says that it is got elsewhere, the store may have
what is private in another repository: to name its digest is no right to what an examiner finds in it."""
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
        _examine(registry, identity, repository, digest, kind, again=again)
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
            f"{_BELOW} SELECT digest FROM manifests WHERE repository = :repository AND {_IMAGES}"
            " AND digest IN (SELECT digest FROM below) ORDER BY digest",
            {"repository": found.id, "root": row[0]},
        ).fetchall()
    if not rows:
        raise errors.Unsupported(f"{repository}:{reference} is no image, or not here as a whole")
    return [digest for (digest,) in rows]


def _examine(
    registry: Registry, who: Identity, repository: str, digest: str, kind: ExaminationKind, *, again: bool
) -> None:
    with _turn():
        with registry.reader.reading() as connection:
            is_known = connection.execute(
                "SELECT 1 FROM examinations WHERE digest = ? AND kind = ?", (digest, kind)
            ).fetchone()
        if is_known and not again:
            return
        document, counts, problem = b"", {}, ""
        try:
            document = registry.examiners[kind](registry.home, digest)
            counts = _counts(kind, document)
        except errors.Unavailable:  # ended with the server, or no memory: it can be tried again
            raise
        except errors.LabError as error:
            problem = error.message
    _keep(registry, who, repository, Kept(digest, kind, document, counts, problem))


@contextlib.contextmanager
def _turn() -> Iterator[None]:
    """Let one be examined at a time, and nobody hold up a thread for long who waits for that."""
    if not _ONE_AT_A_TIME.acquire(timeout=_PATIENCE_S):
        raise TooMany("other images are being examined", "ask again later", retry_after_s=_PATIENCE_S)
    try:
        yield
    finally:
        _ONE_AT_A_TIME.release()


class Kept(msgspec.Struct, frozen=True):
    """What is written down of an examination."""

    digest: str
    kind: ExaminationKind
    document: bytes
    counts: dict[str, int]
    problem: str


def _counts(kind: ExaminationKind, document: bytes) -> dict[str, int]:
    try:
        if kind == "audit":
            found = msgspec.json.decode(document, type=list[SecretFound])
            return {"high": 0, "medium": 0, "low": 0, **Counter(each.severity for each in found)}
        # The first package of an SPDX document is the image itself.
        return {"packages": max(0, len(msgspec.json.decode(document, type=_Packages).packages) - 1)}
    except msgspec.MsgspecError as error:
        raise errors.CorruptContent(f"the examiner for {kind} said something else: {error}") from error


class _Packages(msgspec.Struct):
    packages: list[msgspec.Raw]


def _keep(registry: Registry, who: Identity, repository: str, kept: Kept) -> None:
    said = ", ".join(f"{count} {name}" for name, count in kept.counts.items()) or kept.problem
    with registry.database.writing() as connection:
        connection.execute(
            "INSERT OR REPLACE INTO examinations (digest, kind, made, document, counts, problem)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (
                *(kept.digest, kept.kind, registry.now(), kept.document.decode()),
                *(json.dumps(kept.counts), kept.problem),
            ),
        )
        events.note(
            registry,
            connection,
            who,
            "examination",
            repository=repository,
            digest=kept.digest,
            detail=f"{kept.kind}: {said}",
        )


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
            f" WHERE digest IN (SELECT digest FROM manifests WHERE repository = ?1 AND {_IMAGES})"
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


class Examining:
    """The job that examines what was pushed, one at a time; see `worker.Job`."""

    LATER_S = 10.0
    """After a push: who pushes has the processor first."""
    YOUNG_S = 86400.0
    """What was pushed before, as before an update of this program, is examined on request."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._pool = ThreadPoolExecutor(1, "registry-examination")
        self._running: Future[None] | None = None

    def step(self) -> None:
        if self._running and self._running.done():
            self._running.result()
            self._running = None
        if self._running is None and (waiting := self._waiting()):
            self._running = self._pool.submit(self._examine, *waiting)

    def close(self) -> None:
        """End what is going on."""
        for examiner in self._registry.examiners.values():
            examiner.stop()
        self._pool.shutdown(cancel_futures=True)

    def _waiting(self) -> tuple[str, str, ExaminationKind] | None:
        now = self._registry.now()
        with self._registry.reader.reading() as connection:
            for kind in self._registry.examiners:
                row = connection.execute(
                    "SELECT r.name, digest FROM manifests JOIN repositories r ON r.id = repository"
                    f" WHERE {_IMAGES} AND pushed BETWEEN ? AND ? AND NOT EXISTS"
                    " (SELECT 1 FROM examinations e WHERE e.digest = manifests.digest AND e.kind = ?)"
                    " ORDER BY pushed DESC LIMIT 1",
                    (now - self.YOUNG_S, now - self.LATER_S, kind),
                ).fetchone()
                if row:
                    return (*row, kind)
        return None

    def _examine(self, repository: str, digest: str, kind: ExaminationKind) -> None:
        try:
            _examine(self._registry, SYSTEM, repository, digest, kind, again=False)
        except errors.Unavailable:  # it is tried again with the next start
            return
