"""Rules about tags, as they are kept: of some kind, for a scope, with a document that says what."""

from __future__ import annotations

import sqlite3
from typing import NamedTuple, TypeVar

import msgspec

from containerlab import errors
from containerlab.distribution.server import events
from containerlab.distribution.server.registry import Registry
from containerlab.distribution.server.rights import Identity, Level, organization_of
from containerlab.distribution.server.scopes import manages, repository_of, require_managed, require_meant

__all__ = ["COLUMNS", "Kept", "about", "add", "change", "find", "listed", "remove"]

_MOST = 100
"""Rules of one kind and scope: each is held against every tag."""
COLUMNS = "SELECT id, scope, document, created, ran FROM rules"
Document = TypeVar("Document", bound=msgspec.Struct)


class Kept(NamedTuple):
    """A rule as it is in the database."""

    id: int
    scope: str
    document: str
    created: float
    ran: float | None

    def read(self, kind: type[Document]) -> Document:
        return msgspec.json.decode(self.document, type=kind)


def add(registry: Registry, identity: Identity, kind: str, scope: str, document: msgspec.Struct) -> Kept:
    """Make a rule.

    Raises: InvalidInput, NotPermitted, Conflict when there are too many.
    """
    require_managed(identity, scope, f"make a rule of {kind}")
    written = msgspec.json.encode(document).decode()
    with registry.database.writing() as connection:
        require_meant(connection, identity, scope)
        count = connection.execute(
            "SELECT count(*) FROM rules WHERE scope = ? AND kind = ?", (scope, kind)
        ).fetchone()[0]
        if count >= _MOST:
            raise errors.Conflict(
                f"{scope or 'the registry'} has {count} rules of {kind}", "remove one first"
            )
        number = connection.execute(
            "INSERT INTO rules (scope, kind, document, created) VALUES (?, ?, ?, ?)",
            (scope, kind, written, registry.now()),
        ).lastrowid
        assert number is not None
        _note(registry, connection, identity, scope, f"{kind} rule {number} was made: {_words(document)}")
        return find(connection, kind, number)


def change(registry: Registry, identity: Identity, kind: str, number: int, document: msgspec.Struct) -> Kept:
    """Put another document in the place of a rule's.

    Raises: NotFound.
    """
    written = msgspec.json.encode(document).decode()
    with registry.database.writing() as connection:
        scope = _managed(connection, identity, kind, number).scope
        connection.execute("UPDATE rules SET document = ? WHERE id = ?", (written, number))
        _note(registry, connection, identity, scope, f"{kind} rule {number} was changed: {_words(document)}")
        return find(connection, kind, number)


def remove(registry: Registry, identity: Identity, kind: str, number: int) -> None:
    """Take a rule away.

    Raises: NotFound.
    """
    with registry.database.writing() as connection:
        scope = _managed(connection, identity, kind, number).scope
        connection.execute("DELETE FROM rules WHERE id = ?", (number,))
        _note(registry, connection, identity, scope, f"{kind} rule {number} was removed")


def find(connection: sqlite3.Connection, kind: str, number: int) -> Kept:
    """Return a rule.

    Raises: NotFound.
    """
    row = connection.execute(f"{COLUMNS} WHERE kind = ? AND id = ?", (kind, number)).fetchone()
    if row is None:
        raise _unknown(kind, number)
    return Kept(*row)


def _unknown(kind: str, number: int) -> errors.NotFound:
    return errors.NotFound(f"no such rule of {kind}: {number}", f"`registry {kind} ls` shows all")


def listed(registry: Registry, identity: Identity, kind: str, scope: str | None) -> list[Kept]:
    """Return the rules of a scope, or all, that somebody may see: who reads what they are about."""
    with registry.reader.reading() as connection:
        rows = connection.execute(f"{COLUMNS} WHERE kind = ? ORDER BY id", (kind,)).fetchall()
    found = [Kept(*row) for row in rows]
    return [each for each in found if scope in (None, each.scope) and _may_see(identity, each.scope)]


def about(connection: sqlite3.Connection, kind: str, repository: str) -> list[Kept]:
    """Return the rules that a repository is within the scope of."""
    scopes = ("", f"{organization_of(repository)}/", repository)
    rows = connection.execute(f"{COLUMNS} WHERE scope IN (?, ?, ?) AND kind = ? ORDER BY id", (*scopes, kind))
    return [Kept(*row) for row in rows.fetchall()]


def _managed(connection: sqlite3.Connection, identity: Identity, kind: str, number: int) -> Kept:
    found = find(connection, kind, number)
    if not _may_see(identity, found.scope):
        raise _unknown(kind, number)
    require_managed(identity, found.scope, f"change {kind} rule {number}")
    return found


def _may_see(identity: Identity, scope: str) -> bool:
    if manages(identity, scope):
        return True
    level = (
        identity.level_in(scope[:-1])
        if scope.endswith("/")
        else identity.level(scope)
        if scope
        else Level.NONE
    )
    return level >= Level.READ


def _words(document: msgspec.Struct) -> str:
    """Say for the audit log what a rule is: `tags v*, keep_last 3`."""
    given = ((name, value) for name, value in msgspec.structs.asdict(document).items() if value)
    return ", ".join(
        f"{name} {' '.join(value) if isinstance(value, (tuple, list)) else value}" for name, value in given
    )


def _note(
    registry: Registry, connection: sqlite3.Connection, identity: Identity, scope: str, text: str
) -> None:
    about_scope = f" (organisation {scope[:-1]})" if scope.endswith("/") else ""
    events.note(
        registry, connection, identity, "rule", repository=repository_of(scope), detail=f"{text}{about_scope}"
    )
