"""The queue of replication: tags and manifests to be copied or deleted, kept until they are.

A row says what to look at, not what to do to it: when its turn comes, what is there then is copied. So order
does not matter, a row stands for all changes until its turn, and one that is done twice does no harm.
"""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

import msgspec

from containerlab import errors
from containerlab.distribution import backoff
from containerlab.distribution.api.events import Event
from containerlab.distribution.api.replications import Copy, ReplicationPolicy
from containerlab.distribution.server import events
from containerlab.distribution.server.registry import Registry
from containerlab.distribution.server.rules import patterns
from containerlab.oci import attached

__all__ = ["Turn", "begin", "due", "enqueue", "listed", "note_done", "note_failure", "put"]

_AT_ONCE = 500
_KEPT = 1000
_FIRST_PAUSE_S, _MOST_PAUSE_S = 1.0, 300.0
_TRIES = 3
"""Of what will hardly go better the next time."""
_HOPELESS = (errors.InvalidInput, errors.NotFound, errors.Unsupported, errors.CorruptContent)
_COLUMNS = "id, action, repository, reference, status, detail, attempts, created, tried, next"


class Turn(NamedTuple):
    """What comes next."""

    copy: Copy
    policy: ReplicationPolicy


def enqueue(registry: Registry) -> None:
    """Queue what was pushed and deleted since that was looked at last."""
    if not events.has_news(registry, "replications"):
        return
    with registry.database.writing() as connection:
        for number, raw, seen in connection.execute("SELECT id, document, seen FROM replications").fetchall():
            policy = msgspec.json.decode(raw, type=ReplicationPolicy)
            new = events.since(connection, seen, _AT_ONCE)
            for event in new:
                if wanted := _wanted(policy, event):
                    put(registry, connection, number, wanted)
            if new:
                connection.execute("UPDATE replications SET seen = ? WHERE id = ?", (new[-1].id, number))


def _wanted(policy: ReplicationPolicy, event: Event) -> Copy | None:
    """Return what an event asks a replication to do."""
    is_push = event.kind == "push" and policy.on_push
    is_delete = event.kind in ("delete", "tag.delete") and policy.deletes
    if policy.direction != "push" or not policy.is_enabled or not (is_push or is_delete):
        return None
    if not patterns.compiled(policy.repositories, of_repositories=True).matches(event.repository):
        return None
    tag = event.tag
    # Whether what is about an image is wanted is seen when it is copied.
    if tag and not attached.subject_of(tag) and not patterns.compiled(policy.tags).matches(tag):
        return None
    return Copy(
        action="copy" if is_push else "delete", repository=event.repository, reference=tag or event.digest
    )


def put(registry: Registry, connection: sqlite3.Connection, replication: int, copy: Copy) -> None:
    """Queue a copy, unless the same waits already; one that is being made does not count: it may be late."""
    now = registry.now()
    connection.execute(
        "INSERT INTO copies (replication, action, repository, reference, created, next)"
        " SELECT ?1, ?2, ?3, ?4, ?5, ?5 WHERE NOT EXISTS (SELECT 1 FROM copies WHERE replication = ?1"
        " AND action = ?2 AND repository = ?3 AND reference = ?4 AND status = 'waiting')",
        (replication, copy.action, copy.repository, copy.reference, now),
    )


_IS_DUE = "next <= :now OR next > :furthest"


def _due_values(registry: Registry) -> dict[str, object]:
    return {"now": registry.now(), "furthest": registry.now() + backoff.FURTHEST_S}


def due(registry: Registry) -> list[int]:
    """Return the replications that have a copy to make now."""
    with registry.reader.reading() as connection:
        rows = connection.execute(
            f"SELECT DISTINCT replication FROM copies WHERE {_IS_DUE}", _due_values(registry)
        ).fetchall()
    return [number for (number,) in rows]


def begin(registry: Registry, replication: int) -> Turn | None:
    """Take the next copy of a replication; one that a killed server began is taken again."""
    with registry.database.writing() as connection:
        row = connection.execute(
            f"SELECT {_COLUMNS} FROM copies WHERE replication = :replication AND ({_IS_DUE})"
            " ORDER BY next, id LIMIT 1",
            {**_due_values(registry), "replication": replication},
        ).fetchone()
        policy = connection.execute(
            "SELECT document FROM replications WHERE id = ?", (replication,)
        ).fetchone()
        if row is None or policy is None:
            return None
        connection.execute(
            "UPDATE copies SET status = 'running', attempts = attempts + 1, tried = ? WHERE id = ?",
            (registry.now(), row[0]),
        )
    copy = Copy(**dict(zip(_COLUMNS.split(", "), row, strict=True)))
    return Turn(
        msgspec.structs.replace(copy, attempts=copy.attempts + 1),
        msgspec.json.decode(policy[0], type=ReplicationPolicy),
    )


def note_done(registry: Registry, replication: int, copy: Copy, detail: str) -> None:
    """Write down that a copy was made."""
    with registry.database.writing() as connection:
        _finish(connection, copy, "done", detail)
        connection.execute(
            "DELETE FROM copies WHERE replication = ?1 AND next IS NULL AND id <= (SELECT id FROM copies"
            " WHERE replication = ?1 AND next IS NULL ORDER BY id DESC LIMIT 1 OFFSET ?2)",
            (replication, _KEPT),
        )


def note_failure(registry: Registry, replication: int, copy: Copy, error: errors.LabError) -> None:
    """Write down that it failed, and try again later, unless there is no hope; the others wait as long."""
    now = registry.now()
    is_hopeless = isinstance(error, _HOPELESS) and copy.attempts >= _TRIES
    is_over = is_hopeless or backoff.is_given_up(copy.attempts, now - copy.created)
    with registry.database.writing() as connection:
        if is_over:
            _finish(connection, copy, "failed", str(error))
            return
        later = now + backoff.delay_s(copy.attempts, _FIRST_PAUSE_S, _MOST_PAUSE_S)
        connection.execute(
            "UPDATE copies SET status = 'waiting', detail = ?, next = ? WHERE id = ?",
            (str(error), later, copy.id),
        )
        if isinstance(error, errors.Unavailable | errors.TimedOut):
            connection.execute(
                "UPDATE copies SET next = max(next, ?) WHERE replication = ? AND next IS NOT NULL",
                (later, replication),
            )


def listed(registry: Registry, replication: int) -> list[Copy]:
    """Return what waits, up to a bound, and what is kept of the rest, newest first."""
    with registry.reader.reading() as connection:
        rows = connection.execute(
            f"SELECT {_COLUMNS} FROM copies WHERE replication = ? ORDER BY id DESC LIMIT ?",
            (replication, 2 * _KEPT),
        ).fetchall()
    return [Copy(**dict(zip(_COLUMNS.split(", "), row, strict=True))) for row in rows]


def _finish(connection: sqlite3.Connection, copy: Copy, status: str, detail: str) -> None:
    connection.execute(
        "UPDATE copies SET status = ?, detail = ?, next = NULL WHERE id = ?", (status, detail, copy.id)
    )
