"""Letting go: a repository loses what no manifest of it needs, and the disk what nothing has.

A push may have been told that a repository has a blob, and not yet have sent the manifest that needs it: such
a promise (`blobs.promise`) keeps the link for the grace period. Promises are in the database, as is what a
repository loses, so one comes before the other, and no manifest is refused for a blob that its owner was told
is there.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator

from containerlab.distribution.server.content import catalog
from containerlab.distribution.server.registry import Registry
from containerlab.distribution.server.rights import Identity
from containerlab.store import removal

__all__ = ["Release", "forget_promises", "let_go", "release"]

_LOOSE = """
SELECT digest FROM links l WHERE repository = :repository
    AND NOT EXISTS (SELECT 1 FROM parts p WHERE p.repository = l.repository AND p.digest = l.digest)
    AND NOT EXISTS (SELECT 1 FROM manifests m WHERE m.repository = l.repository AND m.digest = l.digest)
    AND NOT EXISTS (SELECT 1 FROM promises p
        WHERE p.repository = l.repository AND p.digest = l.digest AND p.made > :since)
"""
_HELD = (
    "SELECT digest, size FROM links WHERE repository = :repository"
    " UNION SELECT digest, size FROM manifests WHERE repository = :repository"
)
_HOLDERS = (
    "SELECT r.id FROM repositories r WHERE r.id IN (SELECT repository FROM links WHERE digest = :digest"
    f" UNION SELECT repository FROM manifests WHERE digest = :digest) AND {catalog.seen('r')}"
)


class _Undone(Exception):
    """Ends the transaction of a dry run."""


class Release:
    """What is let go in the course of some transactions, done or only tried; ended by `freed`."""

    def __init__(self, registry: Registry, who: Identity, *, is_dry_run: bool = False) -> None:
        self.is_dry_run = is_dry_run
        self._registry, self._who = registry, who
        self._sizes: dict[str, int] = {}
        self._lost: dict[str, set[int]] = defaultdict(set)

    @contextlib.contextmanager
    def changing(self, repository: int) -> Iterator[sqlite3.Connection]:
        """Give a transaction that changes one repository; that of a dry run is undone at the end."""
        with contextlib.suppress(_Undone), self._registry.database.writing() as connection:
            before = _held(connection, repository)
            yield connection
            for digest in before.keys() - _held(connection, repository).keys():
                self._sizes[digest] = before[digest]
                self._lost[digest].add(repository)
            if self.is_dry_run:
                raise _Undone

    def freed(self) -> int:
        """Remove from the disk what nothing needs any more; return the bytes that this frees, or would.

        Only administrators are told what happens on the disk. Others see what nothing has any more that they
        see: else a number would tell them whether somebody has what they can guess.
        """
        images = self._registry.images
        freed = 0 if self.is_dry_run else removal.collect(images)
        if not self._who.administers:
            return sum(self._sizes[digest] for digest in self._seen_lost())
        return removal.collectable(images, self._seen_lost()) if self.is_dry_run else freed

    def _seen_lost(self) -> list[str]:
        """Return what was lost by all who had it."""
        seeing = catalog.seeing(self._who)
        with self._registry.reader.reading() as connection:
            return [
                digest
                for digest, repositories in self._lost.items()
                if repositories.issuperset(
                    holder for (holder,) in connection.execute(_HOLDERS, {**seeing, "digest": digest})
                )
            ]


def _held(connection: sqlite3.Connection, repository: int) -> dict[str, int]:
    return dict(connection.execute(_HELD, {"repository": repository}).fetchall())


def let_go(
    registry: Registry,
    connection: sqlite3.Connection,
    repository: int,
    among: Iterable[str] | None = None,
    *,
    grace_s: float | None = None,
) -> list[str]:
    """Let a repository lose the blobs that none of its manifests needs; return their digests.

    among: only of these. grace_s: how long promises count, the registry's own if not given.
    """
    grace_s = registry.settings.grace_s if grace_s is None else grace_s
    query = _LOOSE
    values = {
        "repository": repository,
        "since": registry.now() - grace_s,
        "among": None if among is None else json.dumps(list(among)),
    }
    if among is not None:
        query += " AND digest IN (SELECT value FROM json_each(:among))"
    rows = connection.execute(
        f"DELETE FROM links WHERE repository = :repository AND digest IN ({query}) RETURNING digest", values
    )
    return [digest for (digest,) in rows.fetchall()]


def release(registry: Registry, digests: Iterable[str]) -> int:
    """Remove from the disk what nothing needs any more of what a repository has just lost."""
    return removal.collect(registry.images, list(digests))


def forget_promises(registry: Registry) -> None:
    """Remove promises that count no more."""
    with registry.database.writing() as connection:
        connection.execute(
            "DELETE FROM promises WHERE made <= ?", (registry.now() - registry.settings.grace_s,)
        )
