"""Replications: which there are, and when all that they are about is copied next."""

from __future__ import annotations

import datetime
import sqlite3
from typing import Any

import msgspec

from containerlab import errors
from containerlab.distribution.api.replications import (
    Copy,
    Replication,
    ReplicationChange,
    ReplicationPolicy,
    Replications,
)
from containerlab.distribution.api.values import Page
from containerlab.distribution.server import events
from containerlab.distribution.server.api.binding import serves
from containerlab.distribution.server.partners import Partner, changed, document
from containerlab.distribution.server.registry import Registry
from containerlab.distribution.server.replication import copies, planning
from containerlab.distribution.server.rights import Identity
from containerlab.distribution.server.rules import patterns
from containerlab.distribution.server.scopes import require_managed
from containerlab.oci.distribution import is_name

__all__ = [
    "copy_history",
    "create",
    "due",
    "inspect",
    "listed",
    "next_run",
    "partner",
    "postpone",
    "remove",
    "run",
    "update",
]

_DAY_S = 86400.0
_MOST = 100
_SHORTEST_S = 60.0
_QUERY = (
    "SELECT id, document, created, ran, next,"
    " (SELECT count(*) FROM copies WHERE replication = r.id AND next IS NOT NULL),"
    " (SELECT count(*) FROM copies WHERE replication = r.id AND status = 'failed'),"
    " coalesce((SELECT detail FROM copies WHERE replication = r.id AND tried IS NOT NULL"
    " ORDER BY tried DESC LIMIT 1), '') FROM replications r"
)


@serves(Replications.create)
def create(registry: Registry, identity: Identity, policy: ReplicationPolicy) -> Replication:
    """Begin a replication; what is here already is copied by `run` or the schedule.

    Raises: NotPermitted, InvalidInput.
    """
    require_managed(identity, "", "replicate")
    _check(registry, policy)
    now = registry.now()
    with registry.database.writing() as connection:
        count = connection.execute("SELECT count(*) FROM replications").fetchone()[0]
        if count >= _MOST:
            raise errors.Conflict(f"there are {count} replications already", "remove one")
        number = connection.execute(
            "INSERT INTO replications (document, secret, seen, next, created)"
            " VALUES (?, ?, (SELECT coalesce(max(id), 0) FROM events), ?, ?)",
            (document(policy), policy.password or "", next_run(policy, now), now),
        ).lastrowid
        assert number is not None
        _note(registry, connection, identity, f"replication {number} with {policy.registry} was made")
    return inspect(registry, identity, number)


@serves(Replications.list)
def listed(registry: Registry, identity: Identity) -> Page[Replication]:
    """Return all replications."""
    require_managed(identity, "", "see replications")
    with registry.reader.reading() as connection:
        return Page(tuple(_replication(row) for row in connection.execute(f"{_QUERY} ORDER BY id")))


@serves(Replications.inspect)
def inspect(registry: Registry, identity: Identity, id: int) -> Replication:
    """Return a replication.

    Raises: NotPermitted, NotFound.
    """
    require_managed(identity, "", "see replications")
    with registry.reader.reading() as connection:
        return _find(connection, id)


@serves(Replications.update)
def update(registry: Registry, identity: Identity, id: int, change: ReplicationChange) -> Replication:
    """Change what is given.

    Raises: NotPermitted, NotFound, InvalidInput.
    """
    policy, password = changed(inspect(registry, identity, id).policy, change)
    _check(registry, policy)
    with registry.database.writing() as connection:
        connection.execute(
            "UPDATE replications SET document = ?, secret = coalesce(?, secret), next = ? WHERE id = ?",
            (document(policy), password, next_run(policy, registry.now()), id),
        )
        _note(registry, connection, identity, f"replication {id} with {policy.registry} was changed")
        return _find(connection, id)


@serves(Replications.remove)
def remove(registry: Registry, identity: Identity, id: int) -> None:
    """Remove a replication with what waits.

    Raises: NotPermitted, NotFound.
    """
    require_managed(identity, "", "replicate")
    with registry.database.writing() as connection:
        found = _find(connection, id)
        connection.execute("DELETE FROM replications WHERE id = ?", (id,))
        _note(registry, connection, identity, f"replication {id} with {found.policy.registry} was removed")


@serves(Replications.run)
def run(registry: Registry, identity: Identity, id: int, *, dry_run: bool = False) -> Page[Copy]:
    """Queue copies of all that a replication is about, or only say which.

    Raises: NotPermitted, NotFound; what the other registry answers when it is asked what it has.
    """
    found = inspect(registry, identity, id)
    planned = planning.plan(registry, found.policy, partner(registry, id))
    if not dry_run:
        planned = [msgspec.structs.replace(each, status="waiting") for each in planned]
        with registry.database.writing() as connection:
            for each in planned:
                copies.put(registry, connection, id, each)
            connection.execute(
                "UPDATE replications SET ran = ?, next = ? WHERE id = ?",
                (registry.now(), next_run(found.policy, registry.now()), id),
            )
    return Page(tuple(planned))


@serves(Replications.copies)
def copy_history(registry: Registry, identity: Identity, id: int) -> Page[Copy]:
    """Return what waits and the last copies, newest first.

    Raises: NotPermitted, NotFound.
    """
    inspect(registry, identity, id)
    return Page(tuple(copies.listed(registry, id)))


def partner(registry: Registry, number: int) -> Partner:
    """Return the other registry of a replication.

    Raises: NotFound.
    """
    with registry.reader.reading() as connection:
        policy = _find(connection, number).policy
        row = connection.execute("SELECT secret FROM replications WHERE id = ?", (number,)).fetchone()
    return Partner.of(policy, row[0])


def due(registry: Registry) -> list[int]:
    """Return the replications whose time has come by their schedule."""
    now = registry.now()
    with registry.reader.reading() as connection:
        rows = connection.execute(
            "SELECT id, document, next FROM replications WHERE next IS NOT NULL"
        ).fetchall()
    found = ((number, msgspec.json.decode(raw, type=ReplicationPolicy), next_) for number, raw, next_ in rows)
    return [number for number, policy, next_ in found if policy.is_enabled and _is_due(policy, next_, now)]


def _is_due(policy: ReplicationPolicy, moment: float, now: float) -> bool:
    """Tell whether a run is due, also when it was planned before the clock was set back."""
    latest = next_run(policy, now)
    return moment <= now or (latest is not None and moment > latest)


def postpone(registry: Registry, number: int) -> None:
    """Let the next run be at the next time of the schedule."""
    with registry.database.writing() as connection:
        policy = _find(connection, number).policy
        connection.execute(
            "UPDATE replications SET next = ? WHERE id = ?", (next_run(policy, registry.now()), number)
        )


def next_run(policy: ReplicationPolicy, now: float) -> float | None:
    """Return when all is copied next, by the schedule.

    >>> next_run(ReplicationPolicy(registry="x.io", daily="03:30"), 0.0)
    12600.0
    """
    moments = []
    if policy.every_s is not None:
        moments.append(now + policy.every_s)
    if policy.daily is not None:
        hour, minute = map(int, policy.daily.split(":"))
        today = datetime.datetime.fromtimestamp(now, datetime.UTC)
        moment = today.replace(hour=hour, minute=minute, second=0, microsecond=0).timestamp()
        moments.append(moment if moment > now else moment + _DAY_S)
    return min(moments, default=None)


def _check(registry: Registry, policy: ReplicationPolicy) -> None:
    patterns.compiled(policy.repositories, of_repositories=True)
    patterns.compiled(policy.tags)
    if policy.every_s is not None and policy.every_s < _SHORTEST_S:
        raise errors.InvalidInput(f"every {policy.every_s:.0f} s is too often", "let a minute pass at least")
    if policy.prefix and not is_name(policy.prefix):
        raise errors.InvalidInput(
            f"{policy.prefix[:100]!r} cannot come before names", "write it like the name of a repository"
        )
    Partner.of(policy, policy.password).check(registry)


def _find(connection: sqlite3.Connection, number: int) -> Replication:
    row = connection.execute(f"{_QUERY} WHERE id = ?", (number,)).fetchone()
    if row is None:
        raise errors.NotFound(f"no such replication: {number}", "`registry replication ls` shows them")
    return _replication(row)


def _replication(row: tuple[Any, ...]) -> Replication:
    number, raw, created, ran, next_, waiting, failed, detail = row
    return Replication(
        id=number,
        policy=msgspec.json.decode(raw, type=ReplicationPolicy),
        created=created,
        ran=ran,
        next=next_,
        waiting=waiting,
        failed=failed,
        detail=detail,
    )


def _note(registry: Registry, connection: sqlite3.Connection, identity: Identity, detail: str) -> None:
    events.note(registry, connection, identity, "replication", detail=detail)
