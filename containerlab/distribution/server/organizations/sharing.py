"""Sharing a repository with a user until a time: they may pull from it, whatever they may otherwise."""

from __future__ import annotations

import sqlite3
from typing import Literal

from containerlab import errors
from containerlab.distribution.api.shares import Share, Shares
from containerlab.distribution.api.values import Page
from containerlab.distribution.server import events
from containerlab.distribution.server.accounts.naming import check_text
from containerlab.distribution.server.api.binding import serves
from containerlab.distribution.server.organizations.grants import check_end
from containerlab.distribution.server.registry import Registry
from containerlab.distribution.server.rights import Identity, Level, require, require_person, require_whole

__all__ = ["listed", "remove", "share"]

_SELECT = (
    "SELECT repositories.name, account, given_by, shares.description, until, shares.created"
    " FROM shares JOIN repositories ON repositories.id = shares.repository"
)


@serves(Shares.create)
def share(
    registry: Registry,
    identity: Identity,
    repository: str,
    account: str,
    *,
    until: float,
    description: str = "",
) -> Share:
    """Let a user pull from a repository until a time, in the place of an earlier share with them.

    Raises: NotPermitted, NotFound, InvalidInput.
    """
    require_person(identity, "share a repository")
    check_text(description)
    with registry.database.writing() as connection:
        number = _managed(connection, identity, repository)
        check_end(registry, connection, identity, repository, until)
        found = connection.execute(
            "SELECT 1 FROM accounts WHERE name = ? AND kind = 'user'", (account,)
        ).fetchone()
        if not found:
            raise errors.NotFound.named("user", account)
        connection.execute(
            "INSERT OR REPLACE INTO shares (repository, account, level, given_by, description, until,"
            " created) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (number, account, Level.READ, identity.name, description, until, registry.now()),
        )
        said = f"shared with {account}"
        events.note(registry, connection, identity, "rights", repository=repository, detail=said)
        row = connection.execute(
            f"{_SELECT} WHERE repository = ? AND account = ?", (number, account)
        ).fetchone()
    return _share(row)


@serves(Shares.list)
def listed(
    registry: Registry,
    identity: Identity,
    *,
    direction: Literal["received", "given"] | None = None,
    repository: str | None = None,
) -> Page[Share]:
    """Return shares that have not ended: those with somebody, those they gave, or those of a repository.

    Raises: NotPermitted, NotFound for a repository that they do not manage.
    """
    require_whole(identity)
    if direction is None:
        is_managed = repository is not None and identity.level(repository) >= Level.MANAGE
        direction = "given" if is_managed else "received"
    where, values = f"{'account' if direction == 'received' else 'given_by'} = ?", (identity.name,)
    if repository is not None and direction == "given":
        where, values = "repositories.name = ?", (repository,)
    with registry.reader.reading() as connection:
        if repository is not None and direction == "given":
            _managed(connection, identity, repository)
        rows = connection.execute(
            f"{_SELECT} WHERE {where} AND (? IS NULL OR repositories.name = ?) AND until > ?"
            " ORDER BY repositories.name, account",
            (*values, repository, repository, registry.now()),
        ).fetchall()
    return Page(tuple(map(_share, rows)))


@serves(Shares.remove)
def remove(registry: Registry, identity: Identity, repository: str, account: str) -> None:
    """End a share, at once: as who manages the repository, or as the one that it is shared with.

    Raises: NotPermitted, NotFound.
    """
    require_person(identity, "end a share")
    with registry.database.writing() as connection:
        if account != identity.name:
            _managed(connection, identity, repository)
        gone = connection.execute(
            "DELETE FROM shares WHERE account = ?"
            " AND repository = (SELECT id FROM repositories WHERE name = ?)",
            (account, repository),
        )
        if not gone.rowcount:
            raise errors.NotFound(f"{repository} is not shared with {account}", "see share ls")
        said = f"no longer shared with {account}"
        events.note(registry, connection, identity, "rights", repository=repository, detail=said)


def _managed(connection: sqlite3.Connection, identity: Identity, repository: str) -> int:
    """Return the number of a repository that somebody manages; there is none for who may not even read it."""
    if identity.level(repository) < Level.READ:
        raise errors.NotFound.named("repository", repository)
    require(identity.level(repository), Level.MANAGE, f"share repository {repository}")
    return _number(connection, repository)


def _number(connection: sqlite3.Connection, repository: str) -> int:
    found = connection.execute("SELECT id FROM repositories WHERE name = ?", (repository,)).fetchone()
    if found is None:
        raise errors.NotFound.named("repository", repository)
    return int(found[0])


def _share(row: tuple[str, str, str, str, float, float]) -> Share:
    repository, account, given_by, description, until, created = row
    return Share(
        repository=repository,
        account=account,
        given_by=given_by,
        description=description,
        until=until,
        created=created,
    )
