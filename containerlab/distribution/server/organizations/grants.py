"""Granting rights: nobody gives what they do not have, nor for longer than they have it."""

from __future__ import annotations

import sqlite3

from containerlab import errors
from containerlab.distribution.api.rights import LevelName, Right, Rights
from containerlab.distribution.api.values import Page
from containerlab.distribution.server import events
from containerlab.distribution.server.api.binding import serves
from containerlab.distribution.server.content import catalog
from containerlab.distribution.server.registry import Registry
from containerlab.distribution.server.rights import (
    Identity,
    Level,
    organization_of,
    require_person,
    require_whole,
)
from containerlab.distribution.server.scopes import manages, repository_of, require_managed, require_meant

__all__ = ["check_end", "grant", "listed", "revoke"]


@serves(Rights.grant)
def grant(
    registry: Registry,
    identity: Identity,
    account: str,
    scope: str,
    level: LevelName,
    *,
    until: float | None = None,
) -> Right:
    """Let an account do something on a scope, in the place of what it might there before.

    Raises: NotPermitted, InvalidInput, NotFound, Conflict when a robot belongs to another organisation.
    """
    require_person(identity, "give rights")
    if not scope:
        raise errors.InvalidInput("a right is on an organisation or a repository", "write lab/ or lab/base")
    require_managed(identity, scope, "give rights")
    with registry.database.writing() as connection:
        require_meant(connection, identity, scope)
        check_end(registry, connection, identity, scope, until)
        # A right on what is not there would be somebody's when somebody else makes it.
        catalog.require_organization(connection, organization_of(scope))
        _check_account(connection, account, scope)
        connection.execute(
            "INSERT OR REPLACE INTO rights (account, scope, level, until) VALUES (?, ?, ?, ?)",
            (account, scope, Level[level.upper()], until),
        )
        _note(registry, connection, identity, scope, f"{account} may {level} {scope}")
    return Right(account=account, scope=scope, level=level, until=until)


def check_end(
    registry: Registry, connection: sqlite3.Connection, identity: Identity, scope: str, until: float | None
) -> None:
    """Check when something ends that somebody wants to give on what they manage.

    Raises: InvalidInput for the past, NotPermitted for later than their own right's end.
    """
    if until is not None and until <= registry.now():
        raise errors.InvalidInput("this end is in the past", "give one to come")
    own = _own_end(registry, connection, identity, scope)
    if own is not None and (until is None or until > own):
        raise errors.NotPermitted(
            f"your own right on {scope} ends earlier", "give an end that is not after it"
        )


def _own_end(
    registry: Registry, connection: sqlite3.Connection, identity: Identity, scope: str
) -> float | None:
    if identity.is_admin:
        return None
    ends = [
        until
        for (until,) in connection.execute(
            "SELECT until FROM rights WHERE account = ? AND scope IN (?, ?) AND level >= ?"
            " AND (until IS NULL OR until > ?)",
            (identity.name, scope, f"{organization_of(scope)}/", Level.MANAGE, registry.now()),
        )
    ]
    return None if None in ends else max(ends, default=registry.now())


def _check_account(connection: sqlite3.Connection, account: str, scope: str) -> None:
    found = connection.execute("SELECT organization FROM accounts WHERE name = ?", (account,)).fetchone()
    if found is None:
        raise errors.NotFound.named("account", account)
    if found[0] is not None and found[0] != organization_of(scope):
        raise errors.Conflict(
            f"robot {account} belongs to {found[0]}, and {scope} does not", "make a robot there"
        )


@serves(Rights.revoke)
def revoke(registry: Registry, identity: Identity, account: str, scope: str) -> None:
    """Take a right away, at once; anybody may give up their own.

    Raises: NotPermitted, InvalidInput, NotFound.
    """
    require_person(identity, "take rights away")
    if account != identity.name:
        require_managed(identity, scope, "take rights away")
    with registry.database.writing() as connection:
        gone = connection.execute("DELETE FROM rights WHERE account = ? AND scope = ?", (account, scope))
        if not gone.rowcount:
            require_meant(connection, identity, scope)
            raise errors.NotFound(f"{account} has no right on {scope}", "see right ls")
        _note(registry, connection, identity, scope, f"{account} has no right on {scope} any more")


@serves(Rights.list)
def listed(
    registry: Registry, identity: Identity, *, scope: str | None = None, account: str | None = None
) -> Page[Right]:
    """Return rights that have not ended: one's own, and those on what one manages."""
    require_whole(identity)
    with registry.reader.reading() as connection:
        rows = connection.execute(
            "SELECT account, scope, level, until FROM rights WHERE (until IS NULL OR until > ?)"
            " AND (? IS NULL OR scope = ?) AND (? IS NULL OR account = ?) ORDER BY scope, account",
            (registry.now(), scope, scope, account, account),
        ).fetchall()
    return Page(
        tuple(
            Right(account=name, scope=about, level=Level(level).given, until=until)
            for name, about, level, until in rows
            if name == identity.name or manages(identity, about)
        )
    )


def _note(
    registry: Registry, connection: sqlite3.Connection, identity: Identity, scope: str, said: str
) -> None:
    events.note(registry, connection, identity, "rights", repository=repository_of(scope), detail=said)
