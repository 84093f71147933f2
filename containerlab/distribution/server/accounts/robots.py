"""Robots: accounts of programs, with a secret that is made for them and ends.

A robot's name has its organisation in front, `lab+ci`; no user's name has a plus sign.
"""

from __future__ import annotations

import sqlite3

from containerlab import errors
from containerlab.distribution.api.rights import LevelName
from containerlab.distribution.api.robots import ROBOT_S, CreatedRobot, Robot, Robots
from containerlab.distribution.api.values import Page
from containerlab.distribution.server import events
from containerlab.distribution.server.accounts import identities, passwords
from containerlab.distribution.server.accounts.naming import check_account, check_text
from containerlab.distribution.server.api.binding import serves
from containerlab.distribution.server.content import catalog
from containerlab.distribution.server.organizations.grants import check_end
from containerlab.distribution.server.registry import Registry
from containerlab.distribution.server.rights import (
    Identity,
    Level,
    organization_of,
    require,
    require_account,
    require_person,
)

__all__ = ["create", "inspect", "listed", "remove", "renew", "sweep", "update"]

_KEPT_S = 86400.0
"""After its end, for whoever wants to renew it."""
_MOST_S, _MOST_ROBOTS = 366 * 86400.0, 1000


@serves(Robots.create)
def create(
    registry: Registry,
    identity: Identity,
    organization: str,
    name: str,
    *,
    level: LevelName = "write",
    repositories: tuple[str, ...] = (),
    valid_s: float = ROBOT_S,
    description: str = "",
) -> CreatedRobot:
    """Create a robot that may do something with an organisation, or with some of its repositories only.

    Raises: NotPermitted, InvalidInput, AlreadyExists, NotFound, Conflict when there are too many.
    """
    _require_managed(identity, organization)
    full = f"{organization}+{check_account(name)}"
    check_text(description)
    scopes = _scopes(organization, repositories)
    expires = registry.now() + _checked(valid_s)
    secret = passwords.new_secret("robot")
    with registry.database.writing() as connection:
        check_end(registry, connection, identity, f"{organization}/", expires)
        _check_room(connection, organization, full)
        identities.forget_namesake(connection, full)
        connection.execute(
            "INSERT INTO accounts (name, kind, hash, organization, description, created, expires, revision)"
            " VALUES (?, 'robot', ?, ?, ?, ?, ?, ?)",
            (
                *(full, passwords.of_secret(secret), organization, description),
                *(registry.now(), expires, identities.new_revision()),
            ),
        )
        connection.executemany(
            "INSERT INTO rights (account, scope, level) VALUES (?, ?, ?)",
            [(full, scope, Level[level.upper()]) for scope in scopes],
        )
        said = f"robot {full} created: may {level} {', '.join(scopes)}"
        events.note(registry, connection, identity, "account", detail=said)
        return CreatedRobot(robot=_robot(connection, full), secret=secret)


def _scopes(organization: str, repositories: tuple[str, ...]) -> list[str]:
    for repository in repositories:
        if organization_of(repository) != organization:
            raise errors.InvalidInput(
                f"{repository} does not belong to {organization}", "make another robot for it"
            )
    return sorted(set(repositories)) or [f"{organization}/"]


def _check_room(connection: sqlite3.Connection, organization: str, name: str) -> None:
    catalog.require_organization(connection, organization)
    if connection.execute("SELECT 1 FROM accounts WHERE name = ?", (name,)).fetchone():
        raise errors.AlreadyExists(f"there is a robot {name} already", "choose another name, or renew it")
    count = connection.execute(
        "SELECT count(*) FROM accounts WHERE organization = ?", (organization,)
    ).fetchone()[0]
    if count >= _MOST_ROBOTS:
        raise errors.Conflict(f"{organization} has {count} robots", "remove some")


@serves(Robots.list)
def listed(registry: Registry, identity: Identity, *, organization: str | None = None) -> Page[Robot]:
    """Return the robots of the organisations that somebody manages, by name."""
    require_account(identity)
    with registry.reader.reading() as connection:
        rows = connection.execute(
            "SELECT name, organization FROM accounts WHERE kind = 'robot'"
            " AND (? IS NULL OR organization = ?) ORDER BY name",
            (organization, organization),
        ).fetchall()
        names = [name for name, owner in rows if identity.level_in(owner) >= Level.MANAGE]
        return Page(tuple(_robot(connection, name) for name in names))


@serves(Robots.inspect)
def inspect(registry: Registry, identity: Identity, name: str) -> Robot:
    """Return a robot.

    Raises: NotPermitted, NotFound.
    """
    _require_managed(identity, _organization(name))
    with registry.reader.reading() as connection:
        return _robot(connection, name)


@serves(Robots.update)
def update(
    registry: Registry,
    identity: Identity,
    name: str,
    *,
    description: str | None = None,
    is_disabled: bool | None = None,
) -> Robot:
    """Change a robot; what one that is disabled got ends at once.

    Raises: NotPermitted, NotFound, InvalidInput.
    """
    _require_managed(identity, _organization(name))
    check_text(description or "")
    with registry.database.writing() as connection:
        _robot(connection, name)
        connection.execute(
            "UPDATE accounts SET description = coalesce(?, description),"
            " is_disabled = coalesce(?, is_disabled), revision = revision + (? IS NOT NULL) WHERE name = ?",
            (description, is_disabled, is_disabled, name),
        )
        said = {None: "has a new description", True: "is disabled", False: "is enabled"}[is_disabled]
        events.note(registry, connection, identity, "account", detail=f"robot {name} {said}")
        return _robot(connection, name)


@serves(Robots.renew)
def renew(registry: Registry, identity: Identity, name: str, *, valid_s: float = ROBOT_S) -> CreatedRobot:
    """Give a robot a new secret and more time; the old secret ends at once.

    Raises: NotPermitted, NotFound, InvalidInput.
    """
    organization = _organization(name)
    _require_managed(identity, organization)
    expires = registry.now() + _checked(valid_s)
    secret = passwords.new_secret("robot")
    with registry.database.writing() as connection:
        _robot(connection, name)
        check_end(registry, connection, identity, f"{organization}/", expires)
        connection.execute(
            "UPDATE accounts SET hash = ?, expires = ?, revision = revision + 1 WHERE name = ?",
            (passwords.of_secret(secret), expires, name),
        )
        events.note(registry, connection, identity, "account", detail=f"robot {name} has a new secret")
        return CreatedRobot(robot=_robot(connection, name), secret=secret)


@serves(Robots.remove)
def remove(registry: Registry, identity: Identity, name: str) -> None:
    """Remove a robot.

    Raises: NotPermitted, NotFound.
    """
    _require_managed(identity, _organization(name))
    with registry.database.writing() as connection:
        _robot(connection, name)
        connection.execute("DELETE FROM accounts WHERE name = ?", (name,))
        events.note(registry, connection, identity, "account", detail=f"robot {name} removed")


def sweep(connection: sqlite3.Connection, now: float) -> None:
    """Remove robots that ended a day ago."""
    connection.execute("DELETE FROM accounts WHERE kind = 'robot' AND expires <= ?", (now - _KEPT_S,))


def _require_managed(identity: Identity, organization: str) -> None:
    require_person(identity, "have to do with robots")
    require(identity.level_in(organization), Level.MANAGE, f"robots of {organization}")


def _checked(valid_s: float) -> float:
    if not 60 <= valid_s <= _MOST_S:
        raise errors.InvalidInput("a robot's secret is good for a minute to a year", "30 days are usual")
    return valid_s


def _organization(name: str) -> str:
    organization, plus, _ = name.partition("+")
    if not plus:
        raise errors.NotFound.named("robot", name, hint="a robot's name has its organisation: lab+ci")
    return organization


def _robot(connection: sqlite3.Connection, name: str) -> Robot:
    found = connection.execute(
        "SELECT organization, description, is_disabled, created, expires FROM accounts"
        " WHERE name = ? AND kind = 'robot'",
        (name,),
    ).fetchone()
    if found is None:
        raise errors.NotFound.named("robot", name)
    organization, description, is_disabled, created, expires = found
    rights = connection.execute("SELECT scope, level FROM rights WHERE account = ? ORDER BY scope", (name,))
    return Robot(
        name=name,
        organization=organization,
        rights={scope: Level(level).word for scope, level in rights},
        description=description,
        is_disabled=bool(is_disabled),
        created=created,
        expires=expires,
    )
