"""Who an account is to those that it logs in to.

`revision` grows with everything that ends what was given out before: a new password, being disabled.
Tokens, sessions and remembered passwords carry the revision that they were made with, and are worth nothing
with another. It begins with a random number, so that an account of the same name made later is another one.
"""

from __future__ import annotations

import secrets
import sqlite3

import msgspec

from containerlab.distribution.server.registry import Registry
from containerlab.distribution.server.rights import Identity, Level

__all__ = ["NOBODY", "Row", "find", "forget_namesake", "identity", "is_usable", "new_revision"]


class Row(msgspec.Struct, frozen=True):
    """What the database says of an account that wants to log in."""

    name: str
    hash: str
    is_admin: bool
    is_disabled: bool
    expires: float | None
    revision: int


NOBODY = Row("", "", False, True, None, 0)
"""Stands for an account that is not there, so that looking for it takes the same way."""


def find(registry: Registry, name: str) -> Row:
    """Return what is needed to log an account in; what stands for nobody when there is none."""
    with registry.reader.reading() as connection:
        found = connection.execute(
            "SELECT name, hash, is_admin, is_disabled, expires, revision FROM accounts WHERE name = ?",
            (name,),
        ).fetchone()
    return Row(found[0], found[1], bool(found[2]), bool(found[3]), *found[4:]) if found else NOBODY


def is_usable(registry: Registry, row: Row) -> bool:
    """Tell whether an account may log in now."""
    return not row.is_disabled and (row.expires is None or row.expires > registry.now())


def identity(registry: Registry, row: Row, address: str, until: float | None = None) -> Identity:
    """Return who an account is, with the rights that it has now; `until`: when what it showed ends."""
    ends = [moment for moment in (row.expires, until) if moment is not None]
    return Identity(
        name=row.name,
        is_admin=row.is_admin,
        rights=_rights(registry, row.name),
        address=address,
        revision=row.revision,
        until=min(ends, default=None),
    )


def _rights(registry: Registry, name: str) -> dict[str, Level]:
    now = registry.now()
    with registry.reader.reading() as connection:
        found = connection.execute(
            "SELECT scope, level FROM rights WHERE account = ? AND (until IS NULL OR until > ?)"
            " UNION ALL SELECT repositories.name, level FROM shares JOIN repositories"
            " ON repositories.id = shares.repository WHERE account = ? AND until > ?",
            (name, now, name, now),
        ).fetchall()
    rights: dict[str, Level] = {}
    for scope, level in found:
        rights[scope] = max(Level(level), rights.get(scope, Level.NONE))
    return rights


def forget_namesake(connection: sqlite3.Connection, name: str) -> None:
    """See that a new account goes on with nothing of an earlier one of its name; files are swept."""
    for table in ("uploads", "archives", "promises"):
        connection.execute(f"DELETE FROM {table} WHERE account = ?", (name,))
    connection.execute("UPDATE shares SET given_by = '' WHERE given_by = ?", (name,))


def new_revision() -> int:
    """Return where the revisions of a new account begin."""
    return secrets.randbits(48)
