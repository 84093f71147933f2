"""What is good in the place of a password: refresh tokens, and temporary logins.

Both are secrets of 256 bits of which only the hash is kept. They end with their time, with the account's next
revision, or when they are revoked.
"""

from __future__ import annotations

import sqlite3

from containerlab import errors
from containerlab.distribution.api.logins import LOGIN_S, Login, Logins, Myself, TemporaryLogin
from containerlab.distribution.api.values import Page
from containerlab.distribution.server import events
from containerlab.distribution.server.accounts import identities, passwords
from containerlab.distribution.server.api.binding import serves
from containerlab.distribution.server.registry import Registry
from containerlab.distribution.server.rights import Identity, require_person

__all__ = [
    "is_temporary",
    "listed",
    "log_in_temporarily",
    "redeem",
    "refresh_token",
    "revoke",
    "sweep",
    "temporary_end",
    "whoami",
]

_LEAST_LOGIN_S, _MOST_LOGIN_S = 60.0, 86400.0
_REFRESH_S = 90 * 86400.0
_MOST_CLIENT = 64
_MOST_KEPT = 1000
"""Of one account; programs that log in again and again push the oldest out."""
_ID = 12
_TEMPORARY = "conlab_temporary_"


# temporary logins


@serves(Logins.create)
def log_in_temporarily(registry: Registry, identity: Identity, *, valid_s: float = LOGIN_S) -> TemporaryLogin:
    """Make a password that is good for some hours beside the account's own.

    Raises: NotPermitted, InvalidInput for less than a minute or more than a day.
    """
    require_person(identity, "make a temporary login")
    if not identity.name:
        raise errors.NotPermitted("a registry without accounts needs no login", "leave it out")
    if not _LEAST_LOGIN_S <= valid_s <= _MOST_LOGIN_S:
        raise errors.InvalidInput("a temporary login is good for a minute to 24 hours", "6h is usual")
    ends = [moment for moment in (registry.now() + valid_s, identity.until) if moment is not None]
    return TemporaryLogin(
        account=identity.name, secret=_keep(registry, identity, "temporary", "", min(ends)), expires=min(ends)
    )


def is_temporary(secret: str) -> bool:
    """Tell whether this wants to be the secret of a temporary login."""
    return secret.startswith(_TEMPORARY)


def temporary_end(registry: Registry, account: identities.Row, secret: str) -> float | None:
    """Return when a temporary login of an account ends, or None if it is none or over."""
    with registry.reader.reading() as connection:
        found = connection.execute(
            "SELECT expires FROM secrets WHERE hash = ? AND kind = 'temporary' AND account = ?"
            " AND revision = ? AND expires > ?",
            (passwords.of_secret(secret), account.name, account.revision, registry.now()),
        ).fetchone()
    return found[0] if found else None


# refresh tokens


def refresh_token(registry: Registry, identity: Identity, client: str) -> str:
    """Make a refresh token; none for those whose own proof ends, because it would outlive that."""
    if not identity.name or identity.until is not None or identity.limits is not None or identity.is_robot:
        return ""
    return _keep(registry, identity, "refresh", client, registry.now() + _REFRESH_S)


def redeem(registry: Registry, secret: str, address: str) -> Identity | None:
    """Return who was given a refresh token, or None when it is none or over."""
    with registry.reader.reading() as connection:
        found = connection.execute(
            "SELECT account, revision FROM secrets WHERE hash = ? AND kind = 'refresh' AND expires > ?",
            (passwords.of_secret(secret), registry.now()),
        ).fetchone()
    row = identities.find(registry, found[0]) if found else identities.NOBODY
    if found is None or row.revision != found[1] or not identities.is_usable(registry, row):
        return None
    return identities.identity(registry, row, address)


# all of them


@serves(Logins.list)
def listed(registry: Registry, identity: Identity) -> Page[Login]:
    """Return the refresh tokens and temporary logins that are good for one's own account, newest first."""
    require_person(identity, "list logins")
    with registry.reader.reading() as connection:
        found = connection.execute(
            "SELECT substr(hash, 1, ?), kind, client, created, expires FROM secrets"
            " WHERE account = ? AND revision = ? AND expires > ? ORDER BY created DESC",
            (_ID, identity.name, identity.revision, registry.now()),
        ).fetchall()
    return Page(
        tuple(
            Login(id=id, kind=kind, client=client, created=created, expires=expires)
            for id, kind, client, created, expires in found
        )
    )


@serves(Logins.remove)
def revoke(registry: Registry, identity: Identity, id: str) -> None:
    """End one of one's own refresh tokens or temporary logins; access tokens made with it last some minutes.

    Raises: NotFound.
    """
    require_person(identity, "end a login")
    with registry.database.writing() as connection:
        gone = connection.execute(
            "DELETE FROM secrets WHERE account = ? AND substr(hash, 1, ?) = ?", (identity.name, _ID, id)
        )
        if not gone.rowcount:
            raise errors.NotFound.named("login", id)
        events.note(registry, connection, identity, "account", detail=f"login {id} of {identity.name} ended")


@serves(Logins.whoami)
def whoami(registry: Registry, identity: Identity) -> Myself:
    """Return who asks, and what they may do."""
    rights = {scope: level.word for scope, level in sorted(identity.rights.items())}
    return Myself(name=identity.name, is_admin=identity.is_admin, rights=rights, until=identity.until)


def sweep(connection: sqlite3.Connection, now: float) -> None:
    """Remove what is over."""
    connection.execute("DELETE FROM secrets WHERE expires <= ?", (now,))


def _keep(registry: Registry, identity: Identity, kind: str, client: str, expires: float) -> str:
    secret = passwords.new_secret(kind)
    client = "".join(sign for sign in client if sign.isprintable())[:_MOST_CLIENT]
    values = (
        passwords.of_secret(secret),
        kind,
        client,
        registry.now(),
        expires,
        identity.name,
        identity.revision,
    )
    with registry.database.writing() as connection:
        sweep(connection, registry.now())
        connection.execute(
            "DELETE FROM secrets WHERE hash IN (SELECT hash FROM secrets WHERE account = ?"
            " ORDER BY created DESC LIMIT -1 OFFSET ?)",
            (identity.name, _MOST_KEPT - 1),
        )
        connection.execute(
            "INSERT INTO secrets (hash, kind, account, revision, client, created, expires)"
            " SELECT ?, ?, name, revision, ?, ?, ? FROM accounts WHERE name = ? AND revision = ?",
            values,
        )
        events.note(registry, connection, identity, "account", detail=f"{kind} login of {identity.name} made")
    return secret
