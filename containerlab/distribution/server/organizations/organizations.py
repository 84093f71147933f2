"""Organisations: what repositories belong to, and on which rights are given."""

from __future__ import annotations

import sqlite3

from containerlab import errors, units
from containerlab.distribution.api.organizations import Organization, Organizations
from containerlab.distribution.api.values import Page
from containerlab.distribution.server import events
from containerlab.distribution.server.accounts.naming import check_organization, check_text
from containerlab.distribution.server.api.binding import serves
from containerlab.distribution.server.organizations import repositories
from containerlab.distribution.server.registry import Registry
from containerlab.distribution.server.rights import Identity, Level, organization_of, require, require_person
from containerlab.store import removal

__all__ = ["create", "inspect", "listed", "remove", "update"]


@serves(Organizations.create)
def create(
    registry: Registry, identity: Identity, name: str, *, description: str = "", is_public: bool = False
) -> Organization:
    """Create an organisation, which its creator then manages.

    Raises: NotPermitted, InvalidInput, AlreadyExists.
    """
    require_person(identity, "create an organisation")
    if not identity.is_admin and not registry.settings.users_create_organizations:
        raise errors.NotPermitted("only an administrator can create an organisation here", "ask one")
    check_organization(name)
    check_text(description)
    with registry.database.writing() as connection:
        if connection.execute("SELECT 1 FROM organizations WHERE name = ?", (name,)).fetchone():
            raise errors.AlreadyExists(f"there is an organisation {name} already", "choose another name")
        _insert(registry, connection, identity, (name, description, is_public))
        if not identity.is_admin:
            connection.execute(
                "INSERT INTO rights (account, scope, level) VALUES (?, ?, ?)",
                (identity.name, f"{name}/", Level.MANAGE),
            )
        row = _row(connection, name)
    return _organization(row, Level.MANAGE)


def _insert(
    registry: Registry, connection: sqlite3.Connection, identity: Identity, values: tuple[str, str, bool]
) -> None:
    connection.execute(
        "INSERT INTO organizations (name, description, is_public, created) VALUES (?, ?, ?, ?)",
        (*values, registry.now()),
    )
    events.note(registry, connection, identity, "organization", detail=f"organisation {values[0]} created")


@serves(Organizations.list)
def listed(
    registry: Registry, identity: Identity, *, limit: int = 100, after: str = ""
) -> Page[Organization]:
    """Return the public organisations, and those in which somebody may do something, by name."""
    with registry.reader.reading() as connection:
        rows = connection.execute(f"{_SELECT} WHERE name > ? ORDER BY name", (after,)).fetchall()
    seen = [_organization(row, identity.level_in(row[0])) for row in rows if _is_visible(identity, row)]
    return Page(tuple(seen[:limit]), seen[limit - 1].name if len(seen) > limit else "")


@serves(Organizations.inspect)
def inspect(registry: Registry, identity: Identity, name: str) -> Organization:
    """Return an organisation.

    Raises: NotFound, also for one that somebody may not see.
    """
    with registry.reader.reading() as connection:
        row = _row(connection, name)
    if not _is_visible(identity, row):
        raise errors.NotFound.named("organisation", name)
    return _organization(row, identity.level_in(name))


@serves(Organizations.update)
def update(
    registry: Registry,
    identity: Identity,
    name: str,
    *,
    description: str | None = None,
    is_public: bool | None = None,
) -> Organization:
    """Change an organisation; its repositories stay public or private as they are.

    Raises: NotPermitted, NotFound, InvalidInput.
    """
    _require_managed(identity, name, "change")
    if description is not None:
        check_text(description)
    with registry.database.writing() as connection:
        _row(connection, name)
        connection.execute(
            "UPDATE organizations SET description = coalesce(?, description),"
            " is_public = coalesce(?, is_public) WHERE name = ?",
            (description, is_public, name),
        )
        shown = {None: "has a new description", True: "is public", False: "is private"}[is_public]
        events.note(registry, connection, identity, "organization", detail=f"organisation {name} {shown}")
        row = _row(connection, name)
    return _organization(row, Level.MANAGE)


@serves(Organizations.remove)
def remove(registry: Registry, identity: Identity, name: str, *, force: bool = False) -> None:
    """Remove an organisation with its robots, rights and rules; one that has repositories only if `force`.

    Raises: NotPermitted, NotFound, Conflict.
    """
    _require_managed(identity, name, "remove")
    with registry.database.writing() as connection:
        _row(connection, name)
        rows = connection.execute("SELECT name FROM repositories WHERE organization = ?", (name,)).fetchall()
        if rows and not force:
            raise errors.Conflict(
                f"organisation {name} has {units.format_count(len(rows), 'repository')}",
                "remove them first, or use --force",
            )
        for (repository,) in rows:
            repositories.delete(registry, connection, identity, repository)
        repositories.forget_scopes(connection, f"{name}/")
        connection.execute("DELETE FROM organizations WHERE name = ?", (name,))
        events.note(registry, connection, identity, "organization", detail=f"organisation {name} removed")
    removal.collect(registry.images)


def _require_managed(identity: Identity, name: str, verb: str) -> None:
    require_person(identity, f"{verb} an organisation")
    require(identity.level_in(name), Level.MANAGE, f"{verb} organisation {name}")


_SELECT = (
    "SELECT name, description, is_public, created,"
    " (SELECT count(*) FROM repositories WHERE organization = organizations.name) FROM organizations"
)
_Row = tuple[str, str, int, float, int]


def _row(connection: sqlite3.Connection, name: str) -> _Row:
    row: _Row | None = connection.execute(f"{_SELECT} WHERE name = ?", (name,)).fetchone()
    if row is None:
        raise errors.NotFound.named("organisation", name)
    return row


def _is_visible(identity: Identity, row: _Row) -> bool:
    return (
        identity.is_admin
        or bool(row[2])
        or any(organization_of(scope) == row[0] for scope in identity.rights)
    )


def _organization(row: _Row, level: Level) -> Organization:
    name, description, is_public, created, count = row
    return Organization(
        name=name,
        description=description,
        is_public=bool(is_public),
        repositories=count,
        level=level.word,
        created=created,
    )
