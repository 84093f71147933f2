"""What happened in a registry: its audit log, and what webhooks and replications follow.

An event is written in the transaction of what it tells, so that there is none without the other.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any, Literal

from containerlab import errors
from containerlab.distribution.api.events import Event, Events, Kind
from containerlab.distribution.api.values import Page
from containerlab.distribution.server.api.binding import serves
from containerlab.distribution.server.registry import Registry
from containerlab.distribution.server.rights import Identity, Level, organization_of, require_whole

__all__ = ["Event", "Kind", "export", "find", "forget_old", "has_news", "note", "note_denied", "since"]

_BATCH = 1000
_SAME_S = 60.0


def note(
    registry: Registry, connection: sqlite3.Connection, identity: Identity, kind: Kind, **about: str
) -> None:
    """Write down an event; `about` has repository, tag, digest, detail."""
    given = (about.get(name, "") for name in ("repository", "tag", "digest", "detail"))
    connection.execute(
        "INSERT INTO events (time, kind, account, address, repository, tag, digest, detail)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (registry.now(), kind, identity.name, identity.address, *given),
    )


def note_denied(registry: Registry, identity: Identity, repository: str, detail: str) -> None:
    """Write down that somebody was refused; the same once in a while, however often they try."""
    with registry.reader.reading() as connection:
        is_noted = connection.execute(
            "SELECT 1 FROM events WHERE id > (SELECT max(id) FROM events) - ? AND kind = 'denied'"
            " AND account = ? AND repository = ? AND detail = ? AND time > ?",
            (_BATCH, identity.name, repository, detail, registry.now() - _SAME_S),
        ).fetchone()
    if not is_noted:
        with registry.database.writing() as connection:
            note(registry, connection, identity, "denied", repository=repository, detail=detail)


def forget_old(registry: Registry) -> None:
    """Remove what the audit log need not have any more; a piece at a time, so that nobody waits long."""
    before = registry.now() - registry.settings.events_age_s
    with registry.reader.reading() as connection:
        last = connection.execute("SELECT coalesce(max(id), 0) FROM events").fetchone()[0]
    count = _BATCH
    while count == _BATCH:
        with registry.database.writing() as connection:
            count = connection.execute(
                "DELETE FROM events WHERE id IN (SELECT id FROM events ORDER BY id LIMIT ?)"
                " AND (time < ? OR id <= ?)",
                (_BATCH, before, last - registry.settings.events_most),
            ).rowcount


def has_news(registry: Registry, follower: Literal["webhooks", "replications"]) -> bool:
    """Tell whether something has happened that one of those who follow events has not seen. Microseconds."""
    with registry.reader.reading() as connection:
        found = connection.execute(
            f"SELECT (SELECT min(seen) FROM {follower}) < (SELECT seq FROM sqlite_sequence"
            " WHERE name = 'events')"
        ).fetchone()
    return bool(found[0])


def since(connection: sqlite3.Connection, seen: int, most: int = _BATCH) -> list[Event]:
    """Return what happened after the event with the number `seen`, oldest first."""
    return _events(connection, "id > ? ORDER BY id LIMIT ?", (seen, most))


@serves(Events.list)
def find(
    registry: Registry, identity: Identity, *, limit: int = 100, after: str = "", **wanted: Any
) -> Page[Event]:
    """Return what happened and `identity` may know, newest first."""
    require_whole(identity)
    if after and not after.isdecimal():
        raise errors.InvalidInput(f"no event has the number {after!r}", "give `next` of the page before")
    where, values = _condition(identity, wanted)
    if after:
        where, values = f"{where} AND id < ?", [*values, min(int(after), 2**62)]
    with registry.reader.reading() as connection:
        found = _events(connection, f"{where} ORDER BY id DESC LIMIT ?", [*values, limit + 1])
    items = tuple(found[:limit])
    return Page(items, str(items[-1].id) if len(found) > limit else "")


@serves(Events.export)
def export(registry: Registry, identity: Identity, **wanted: Any) -> Iterator[Event]:
    """Go through all that `find` would show."""
    after = ""
    while True:
        page = find(registry, identity, limit=_BATCH, after=after, **wanted)
        yield from page.items
        after = page.next
        if not after:
            return


def _condition(identity: Identity, wanted: dict[str, Any]) -> tuple[str, list[Any]]:
    """Return a WHERE clause with its values: what was asked for, and no more than may be seen."""
    clauses, values = ["1"], []
    for name, column in (
        ("repository", "repository = ?"),
        ("account", "account = ?"),
        ("kind", "kind = ?"),
        ("since", "time >= ?"),
        ("until", "time <= ?"),
    ):
        if wanted.get(name) is not None:
            clauses.append(column)
            values.append(wanted[name])
    if organization := wanted.get("organization"):
        clauses.append(_IN_ORGANIZATION)
        values += [organization, organization]
    if not identity.is_admin:
        seen, more = _visible(identity)
        clauses.append(seen)
        values += more
    return " AND ".join(clauses), values


_IN_ORGANIZATION = (
    "(CASE instr(repository, '/') WHEN 0 THEN repository != '' AND ? = 'library'"
    " ELSE substr(repository, 1, instr(repository, '/') - 1) = ? END)"
)


_BEGINNING = "SELECT created FROM organizations WHERE name = ?"


def _visible(identity: Identity) -> tuple[str, list[Any]]:
    """Return what somebody may see: what they did, and what happened where they manage.

    Not what was before there was the account, or the organisation: that were others of the same name.
    """
    own = "SELECT created FROM accounts WHERE name = ?"
    clauses: list[str] = [f"(account != '' AND account = ? AND time >= coalesce(({own}), 0))"]
    values: list[Any] = [identity.name, identity.name]
    for scope, level in identity.rights.items():
        if level < Level.MANAGE:
            continue
        where, about = ("repository = ?", [scope])
        if scope.endswith("/"):
            where, about = _IN_ORGANIZATION, [scope[:-1]] * 2
        clauses.append(f"({where} AND time >= coalesce(({_BEGINNING}), 0))")
        values += [*about, organization_of(scope)]
    return f"({' OR '.join(clauses)})", values


def _events(connection: sqlite3.Connection, where: str, values: Any) -> list[Event]:
    rows = connection.execute(f"SELECT * FROM events WHERE {where}", values).fetchall()
    fields = Event.__struct_fields__
    return [Event(**dict(zip(fields, row, strict=True))) for row in rows]
