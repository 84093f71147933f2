"""Accounts: the people of a registry. Robots, which are accounts too, are in `robots`."""

from __future__ import annotations

import sqlite3

from containerlab import errors
from containerlab.distribution.api.users import User, Users
from containerlab.distribution.api.values import Page
from containerlab.distribution.server import events
from containerlab.distribution.server.accounts import attempts, identities, logins, passwords
from containerlab.distribution.server.accounts.naming import check_account, check_text
from containerlab.distribution.server.api.binding import serves
from containerlab.distribution.server.registry import Registry
from containerlab.distribution.server.rights import SYSTEM, Identity, require_person, require_whole

__all__ = [
    "FIRST",
    "change_password",
    "create",
    "end_logins",
    "ensure_administrator",
    "inspect",
    "listed",
    "remove",
    "reset_password",
    "update",
]

FIRST = "admin"


@serves(Users.create)
def create(
    registry: Registry,
    identity: Identity,
    name: str,
    password: str,
    *,
    is_admin: bool = False,
    description: str = "",
) -> User:
    """Create a user.

    Raises: NotPermitted, InvalidInput, AlreadyExists.
    """
    _require_administrator(identity, "create a user")
    check_account(name)
    values = (registry.passwords.hash(passwords.check_password(password)), is_admin, check_text(description))
    with registry.database.writing() as connection:
        if connection.execute("SELECT 1 FROM accounts WHERE name = ?", (name,)).fetchone():
            raise errors.AlreadyExists(f"there is a user {name} already", "choose another name")
        identities.forget_namesake(connection, name)
        connection.execute(
            "INSERT INTO accounts (name, kind, hash, is_admin, description, created, revision)"
            " VALUES (?, 'user', ?, ?, ?, ?, ?)",
            (name, *values, registry.now(), identities.new_revision()),
        )
        kind = "administrator" if is_admin else "user"
        events.note(registry, connection, identity, "account", detail=f"{kind} {name} created")
        return _user(connection, name)


@serves(Users.list)
def listed(registry: Registry, identity: Identity, *, limit: int = 100, after: str = "") -> Page[User]:
    """Return users by name; somebody who is no administrator sees only themselves."""
    require_whole(identity)
    with registry.reader.reading() as connection:
        found = connection.execute(
            f"SELECT {_COLUMNS} FROM accounts WHERE kind = 'user' AND (? OR name = ?) AND name > ?"
            " ORDER BY name LIMIT ?",
            (identity.administers, identity.name, after, limit + 1),
        ).fetchall()
    items = tuple(_user_of(row) for row in found[:limit])
    return Page(items, items[-1].name if len(found) > limit else "")


@serves(Users.inspect)
def inspect(registry: Registry, identity: Identity, name: str) -> User:
    """Return a user.

    Raises: NotFound, also for a user that somebody else than an administrator asks for.
    """
    require_whole(identity)
    if not identity.administers and name != identity.name:
        raise errors.NotFound.named("user", name)
    with registry.reader.reading() as connection:
        return _user(connection, name)


@serves(Users.update)
def update(
    registry: Registry,
    identity: Identity,
    name: str,
    *,
    description: str | None = None,
    is_admin: bool | None = None,
    is_disabled: bool | None = None,
) -> User:
    """Change a user; whatever one who is disabled was given ends at once.

    Raises: NotPermitted, NotFound, InvalidInput, Conflict for the last administrator.
    """
    _require_administrator(identity, "change a user")
    if description is not None:
        check_text(description)
    with registry.database.writing() as connection:
        old = _user(connection, name)
        if is_admin is False or is_disabled:
            _leave_an_administrator(connection, name)
        connection.execute(
            "UPDATE accounts SET description = coalesce(?, description), is_admin = coalesce(?, is_admin),"
            " is_disabled = coalesce(?, is_disabled), revision = revision + (? IS NOT NULL) WHERE name = ?",
            (description, is_admin, is_disabled, is_disabled, name),
        )
        new = _user(connection, name)
        if said := _difference(old, new):
            events.note(registry, connection, identity, "account", detail=f"user {name} {said}")
        return new


def _difference(old: User, new: User) -> str:
    words = [
        ("has a new description", old.description != new.description),
        ("is an administrator", new.is_admin > old.is_admin),
        ("is no longer an administrator", new.is_admin < old.is_admin),
        ("is disabled", new.is_disabled > old.is_disabled),
        ("is enabled", new.is_disabled < old.is_disabled),
    ]
    return ", ".join(word for word, is_so in words if is_so)


@serves(Users.remove)
def remove(registry: Registry, identity: Identity, name: str) -> None:
    """Remove a user, their rights and what was shared with them; what they pushed stays.

    Raises: NotPermitted, NotFound, Conflict for the last administrator.
    """
    _require_administrator(identity, "remove a user")
    with registry.database.writing() as connection:
        _user(connection, name)
        _leave_an_administrator(connection, name)
        connection.execute("DELETE FROM accounts WHERE name = ?", (name,))
        events.note(registry, connection, identity, "account", detail=f"user {name} removed")


@serves(Users.change_password)
def change_password(
    registry: Registry, identity: Identity, name: str, password: str, *, old: str = ""
) -> None:
    """Give a user another password; all their tokens, sessions and temporary logins end.

    old: the one that they have; only an administrator can do without, for somebody else.

    Raises: NotPermitted, InvalidInput, NotFound, TooMany when the old one is guessed.
    """
    if name == identity.name:
        require_person(identity, "change a password")
        _check_old(registry, identity, old)
    else:
        _require_administrator(identity, "change another user's password")
    hashed = registry.passwords.hash(passwords.check_password(password))
    with registry.database.writing() as connection:
        _user(connection, name)
        _replace_password(connection, name, hashed)
        events.note(registry, connection, identity, "account", detail=f"user {name} has a new password")


def _check_old(registry: Registry, identity: Identity, old: str) -> None:
    """A session that somebody left open, or a leaked token, must not be enough to take an account over."""
    try:
        logins.check_password(registry, identity.name, old, identity.address)
    except logins.Refused as error:
        raise errors.NotPermitted(
            "the old password is not right", "an administrator can set a new one"
        ) from error


def _replace_password(connection: sqlite3.Connection, name: str, hashed: str) -> None:
    connection.execute(
        "UPDATE accounts SET hash = ?, revision = revision + 1 WHERE name = ?",
        (hashed, name),
    )
    attempts.forgive(connection, name)


@serves(Users.end_logins)
def end_logins(registry: Registry, identity: Identity, name: str) -> None:
    """End all tokens, sessions and temporary logins of an account; its password stays.

    Raises: NotPermitted, NotFound.
    """
    require_person(identity, "end logins")
    if name != identity.name:
        _require_administrator(identity, "end another user's logins")
    with registry.database.writing() as connection:
        _user(connection, name)
        connection.execute("UPDATE accounts SET revision = revision + 1 WHERE name = ?", (name,))
        events.note(registry, connection, identity, "account", detail=f"user {name} is logged out everywhere")


# the first administrator, and the way back in


def ensure_administrator(registry: Registry, password: str = "") -> str:
    """Create the first administrator if there is no user yet; return the password, which is kept nowhere.

    password: the one to give; a random one when empty. Returns nothing when there are users already.
    """
    if _has_users(registry):
        return ""
    chosen = passwords.check_password(password or passwords.new_password())
    try:
        create(registry, SYSTEM, FIRST, chosen, is_admin=True)
    except errors.AlreadyExists:  # another worker was faster
        return ""
    return chosen


def _has_users(registry: Registry) -> bool:
    with registry.reader.reading() as connection:
        return bool(connection.execute("SELECT 1 FROM accounts WHERE kind = 'user' LIMIT 1").fetchone())


def reset_password(registry: Registry, name: str = FIRST, password: str = "") -> str:
    """Give a user a password and let them in again, by right of owning the storage; return the password.

    The user is made, as an administrator, when nobody is there yet.

    Raises: NotFound, InvalidInput.
    """
    if name == FIRST and (made := ensure_administrator(registry, password)):
        return made
    if not name.isprintable():  # nor text, perhaps
        raise errors.NotFound.named("user", name)
    chosen = passwords.check_password(password or passwords.new_password())
    hashed = registry.passwords.hash(chosen)
    with registry.database.writing() as connection:
        _user(connection, name)
        _replace_password(connection, name, hashed)
        connection.execute("UPDATE accounts SET is_disabled = 0 WHERE name = ?", (name,))
        events.note(
            registry,
            connection,
            SYSTEM,
            "account",
            detail=f"user {name} has a new password, set on the storage",
        )
    return chosen


def _require_administrator(identity: Identity, what: str) -> None:
    require_person(identity, what)
    if not identity.is_admin:
        raise errors.NotPermitted(f"only an administrator can {what}", "ask one")


def _leave_an_administrator(connection: sqlite3.Connection, name: str) -> None:
    others = connection.execute(
        "SELECT count(*), max(name = ?) FROM accounts WHERE is_admin AND NOT is_disabled", (name,)
    ).fetchone()
    if others == (1, 1):
        raise errors.Conflict(f"{name} is the last administrator", "make somebody else one first")


_COLUMNS = "name, is_admin, is_disabled, description, created"


def _user_of(row: tuple[str, int, int, str, float]) -> User:
    name, is_admin, is_disabled, description, created = row
    return User(
        name=name,
        is_admin=bool(is_admin),
        is_disabled=bool(is_disabled),
        description=description,
        created=created,
    )


def _user(connection: sqlite3.Connection, name: str) -> User:
    found = connection.execute(
        f"SELECT {_COLUMNS} FROM accounts WHERE name = ? AND kind = 'user'", (name,)
    ).fetchone()
    if found is None:
        raise errors.NotFound.named("user", name)
    return _user_of(found)
