"""Examining images: one at a time, on request and those that were pushed when there is time.

An examiner works in a process of its own (see `registry.Examiner`): an image is what a stranger made.
"""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import msgspec

from containerlab import errors
from containerlab.distribution.api.examinations import ExaminationKind, SecretFound
from containerlab.distribution.server import events
from containerlab.distribution.server.problems import TooMany
from containerlab.distribution.server.registry import Registry
from containerlab.distribution.server.rights import SYSTEM, Identity
from containerlab.oci.image import DOCKER_CONFIG, OCI_CONFIG

__all__ = ["IMAGES", "Examining", "examine"]

_PATIENCE_S = 60.0
IMAGES = f"""artifact_type IN ('{OCI_CONFIG}', '{DOCKER_CONFIG}') AND NOT EXISTS (
    SELECT 1 FROM parts p WHERE p.repository = manifests.repository AND p.manifest = manifests.digest
        AND p.kind != 'manifest' AND NOT EXISTS (
            SELECT 1 FROM links l WHERE l.repository = p.repository AND l.digest = p.digest))
    AND (SELECT coalesce(max(p.kind = 'layer') >= max(p.kind = 'blob'), 1) FROM parts p
        WHERE p.repository = manifests.repository AND p.manifest = manifests.digest)"""
"""Those of which the repository has all, and not what has no files, as signatures and attestations.

Of what an image says that it is got elsewhere, the store may have what is private in another repository: to
name its digest is no right to what an examiner finds in it.
"""


def examine(
    registry: Registry,
    identity: Identity,
    repository: str,
    digest: str,
    kind: ExaminationKind,
    *,
    again: bool,
) -> None:
    """Examine an image, unless that was done already, and write down what was found.

    Raises: TooMany when others wait; Unavailable when it can be tried again.
    """
    with _turn(registry):
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
    _keep(registry, identity, repository, _Kept(digest, kind, document, counts, problem))


@contextlib.contextmanager
def _turn(registry: Registry) -> Iterator[None]:
    """Let one be examined at a time, and nobody hold up a thread for long who waits for that."""
    if not registry.examination.acquire(timeout=_PATIENCE_S):
        raise TooMany("other images are being examined", "ask again later", retry_after_s=_PATIENCE_S)
    try:
        yield
    finally:
        registry.examination.release()


class _Kept(msgspec.Struct, frozen=True):
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


def _keep(registry: Registry, identity: Identity, repository: str, kept: _Kept) -> None:
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
            identity,
            "examination",
            repository=repository,
            digest=kept.digest,
            detail=f"{kept.kind}: {said}",
        )


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
                    f" WHERE {IMAGES} AND pushed BETWEEN ? AND ? AND NOT EXISTS"
                    " (SELECT 1 FROM examinations e WHERE e.digest = manifests.digest AND e.kind = ?)"
                    " ORDER BY pushed DESC LIMIT 1",
                    (now - self.YOUNG_S, now - self.LATER_S, kind),
                ).fetchone()
                if row:
                    return (*row, kind)
        return None

    def _examine(self, repository: str, digest: str, kind: ExaminationKind) -> None:
        try:
            examine(self._registry, SYSTEM, repository, digest, kind, again=False)
        except errors.Unavailable:  # it is tried again with the next start
            return
