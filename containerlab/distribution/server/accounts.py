"""Accounts: the people of a registry. Robots, which are accounts too, are in `robots`."""

from __future__ import annotations

import re
import secrets
import sqlite3

import msgspec

from containerlab import errors
from containerlab.distribution.server import events, logins, passwords
from containerlab.distribution.server.registry import Registry
from containerlab.distribution.server.rights import SYSTEM, Identity, require_account, require_person

__all__ = [
    "FIRST",
    "Account",
    "account_of",
    "change_password",
    "check_name",
    "check_text",
    "create",
    "describe",
    "disable",
    "enable",
    "end_logins",
    "ensure_administrator",
    "list_users",
    "new_revision",
    "remove",
    "reset_password",
    "row",
    "set_administrator",
]

FIRST = "admin"
_NAME = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*")
_MOST_NAME, _MOST_TEXT = 64, 255


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who can log in."""

    name: str
    kind: str
    """user, or robot."""
    is_admin: bool
    is_disabled: bool
    organization: str | None
    """Which one a robot belongs to."""
    description: str
    created: float
    expires: float | None


# what can be done with them


def create(
    registry: Registry,
    who: Identity,
    name: str,
    password: str,
    *,
    is_admin: bool = False,
    description: str = "",
) -> Account:
    """Create a user.

    Raises: NotPermitted, InvalidInput, AlreadyExists.
    """
    _require_administrator(who, "create a user")
    check_name(name)
    values = (registry.passwords.hash(passwords.check_password(password)), is_admin, check_text(description))
    with registry.database.writing() as connection:
        if row(connection, name):
            raise errors.AlreadyExists(f"there is a user {name} already", "choose another name")
        connection.execute(
            "INSERT INTO accounts (name, kind, hash, is_admin, description, created, revision)"
            " VALUES (?, 'user', ?, ?, ?, ?, ?)",
            (name, *values, registry.now(), new_revision()),
        )
        kind = "administrator" if is_admin else "user"
        events.note(registry, connection, who, "account", detail=f"{kind} {name} created")
        return _described(connection, name)


def list_users(registry: Registry, who: Identity) -> list[Account]:
    """Return all users, by name; somebody who is no administrator sees only themselves."""
    require_account(who)
    with registry.reader.reading() as connection:
        found = connection.execute(
            f"SELECT {_COLUMNS} FROM accounts WHERE kind = 'user' AND (? OR name = ?) ORDER BY name",
            (_is_administrator(who), who.name),
        ).fetchall()
    return [account_of(each) for each in found]


def describe(registry: Registry, who: Identity, name: str) -> Account:
    """Return a user.

    Raises: NotFound, also for a user that somebody else than an administrator asks for.
    """
    with registry.reader.reading() as connection:
        if not _is_administrator(who) and name != who.name:
            raise errors.NotFound.named("user", name)
        return _described(connection, name)


def disable(registry: Registry, who: Identity, name: str) -> Account:
    """Keep a user out; whatever they were given ends at once.

    Raises: NotPermitted, NotFound, Conflict for the last administrator.
    """
    return _set_disabled(registry, who, name, True)


def enable(registry: Registry, who: Identity, name: str) -> Account:
    """Let a user in again."""
    return _set_disabled(registry, who, name, False)


def _set_disabled(registry: Registry, who: Identity, name: str, is_disabled: bool) -> Account:
    done = "disabled" if is_disabled else "enabled"
    _require_administrator(who, f"have a user {done}")
    with registry.database.writing() as connection:
        _described(connection, name)
        if is_disabled:
            _leave_an_administrator(connection, name)
        connection.execute(
            "UPDATE accounts SET is_disabled = ?, revision = revision + 1 WHERE name = ?", (is_disabled, name)
        )
        events.note(registry, connection, who, "account", detail=f"user {name} {done}")
        return _described(connection, name)


def set_administrator(registry: Registry, who: Identity, name: str, is_admin: bool) -> Account:
    """Make a user an administrator, or no longer one.

    Raises: NotPermitted, NotFound, Conflict for the last administrator.
    """
    _require_administrator(who, "make or unmake an administrator")
    with registry.database.writing() as connection:
        _described(connection, name)
        if not is_admin:
            _leave_an_administrator(connection, name)
        connection.execute("UPDATE accounts SET is_admin = ? WHERE name = ?", (is_admin, name))
        said = f"user {name} is {'an' if is_admin else 'no longer an'} administrator"
        events.note(registry, connection, who, "account", detail=said)
        return _described(connection, name)


def remove(registry: Registry, who: Identity, name: str) -> None:
    """Remove a user, their rights and what was shared with them; what they pushed stays.

    Raises: NotPermitted, NotFound, Conflict for the last administrator.
    """
    _require_administrator(who, "remove a user")
    with registry.database.writing() as connection:
        _described(connection, name)
        _leave_an_administrator(connection, name)
        connection.execute("DELETE FROM accounts WHERE name = ?", (name,))
        events.note(registry, connection, who, "account", detail=f"user {name} removed")


def change_password(registry: Registry, who: Identity, name: str, password: str, old: str = "") -> None:
    """Give a user another password; all their tokens, sessions and temporary logins end.

    old: the one that they have; only an administrator can do without, for somebody else.

    Raises: NotPermitted, InvalidInput, NotFound.
    """
    if name != who.name:
        _require_administrator(who, "change another user's password")
    else:
        require_person(who, "change a password")
        _check_old(registry, who, old)
    hashed = registry.passwords.hash(passwords.check_password(password))
    with registry.database.writing() as connection:
        _described(connection, name)
        _replace_password(connection, name, hashed)
        events.note(registry, connection, who, "account", detail=f"password of user {name} changed")


def _check_old(registry: Registry, who: Identity, old: str) -> None:
    """A session that somebody left open, or a leaked token, must not be enough to take an account over."""
    try:
        logins.check(registry, who.name, old, who.address)
    except logins.Refused as error:
        raise errors.NotPermitted(
            "the old password is not right", "an administrator can set a new one"
        ) from error


def _replace_password(connection: sqlite3.Connection, name: str, hashed: str) -> None:
    connection.execute(
        "UPDATE accounts SET hash = ?, revision = revision + 1 WHERE name = ?",
        (hashed, name),
    )


def end_logins(registry: Registry, who: Identity, name: str) -> None:
    """End all tokens, sessions and temporary logins of an account; its password stays.

    Raises: NotPermitted, NotFound.
    """
    require_person(who, "end logins")
    if name != who.name:
        _require_administrator(who, "end another user's logins")
    with registry.database.writing() as connection:
        _described(connection, name)
        connection.execute("UPDATE accounts SET revision = revision + 1 WHERE name = ?", (name,))
        events.note(registry, connection, who, "account", detail=f"logins of user {name} ended")


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
    chosen = passwords.check_password(password or passwords.new_password())
    hashed = registry.passwords.hash(chosen)
    with registry.database.writing() as connection:
        _described(connection, name)
        _replace_password(connection, name, hashed)
        connection.execute("UPDATE accounts SET is_disabled = 0 WHERE name = ?", (name,))
        events.note(registry, connection, SYSTEM, "account", detail=f"password of user {name} reset")
    return chosen


# rules


def check_name(name: str) -> str:
    """Return a name that may be given to an account or an organisation.

    >>> check_name("alice")
    'alice'
    """
    if len(name) > _MOST_NAME or not _NAME.fullmatch(name):
        raise errors.InvalidInput(
            f"{name[:_MOST_NAME]!r} is not a name",
            f"use small letters and digits, with one of . _ - between them, {_MOST_NAME} at most",
        )
    return name


def check_text(text: str) -> str:
    """Return a description: one line of at most 255 bytes, whatever the characters.

    Raises: InvalidInput.
    """
    is_line = text.isprintable()  # no control characters, no surrogates
    if not is_line or len(text.encode()) > _MOST_TEXT:
        raise errors.InvalidInput(
            f"a description is one line of at most {_MOST_TEXT} bytes", "leave control characters out"
        )
    return text


def _is_administrator(who: Identity) -> bool:
    return who.is_admin and who.limits is None


def _require_administrator(who: Identity, what: str) -> None:
    require_person(who, what)
    if not who.is_admin:
        raise errors.NotPermitted(f"only an administrator can {what}", "ask one")


def _leave_an_administrator(connection: sqlite3.Connection, name: str) -> None:
    others = connection.execute(
        "SELECT count(*), max(name = ?) FROM accounts WHERE is_admin AND NOT is_disabled", (name,)
    ).fetchone()
    if others == (1, 1):
        raise errors.Conflict(f"{name} is the last administrator", "make somebody else one first")


def new_revision() -> int:
    """Return where the revisions of a new account begin."""
    return secrets.randbits(48)


# rows

_COLUMNS = "name, kind, is_admin, is_disabled, organization, description, created, expires"


def row(connection: sqlite3.Connection, name: str) -> Account | None:
    """Return an account of any kind."""
    found = connection.execute(f"SELECT {_COLUMNS} FROM accounts WHERE name = ?", (name,)).fetchone()
    return account_of(found) if found else None


def account_of(found: tuple[str, str, int, int, str | None, str, float, float | None]) -> Account:
    """Make an account of a row."""
    name, kind, is_admin, is_disabled, organization, description, created, expires = found
    return Account(
        name=name,
        kind=kind,
        is_admin=bool(is_admin),
        is_disabled=bool(is_disabled),
        organization=organization,
        description=description,
        created=created,
        expires=expires,
    )


def _described(connection: sqlite3.Connection, name: str) -> Account:
    found = row(connection, name)
    if found is None or found.kind != "user":
        raise errors.NotFound.named("user", name)
    return found
