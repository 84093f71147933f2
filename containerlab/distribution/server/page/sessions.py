"""Who has signed in with a browser: sessions by a random key in a cookie, of which only a hash is kept.

A visitor who has not signed in has a key too, from the first form on; the token of every form is made from
the key, so that another site, which cannot read the cookie, cannot make a form that counts.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from contextlib import suppress

import msgspec

from containerlab import errors
from containerlab.distribution.server.accounts import identities
from containerlab.distribution.server.registry import Registry
from containerlab.distribution.server.rights import Identity

__all__ = [
    "ABSOLUTE_S",
    "IDLE_S",
    "Session",
    "end",
    "find",
    "fresh_key",
    "identity",
    "is_token",
    "start",
    "token",
    "touch",
]

IDLE_S = 2 * 3600.0
"""How long a session lasts without a page being opened; what a page asks by itself does not count."""
ABSOLUTE_S = 24 * 3600.0
_TOUCH_S = 60.0
_KEY_BYTES = 32


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who has signed in."""

    account: str
    revision: int
    """Of the account when the session began; with another the session is over."""
    created: float
    touched: float
    until: float | None
    """When a temporary login ends, and the session with it."""

    def is_alive(self, now: float) -> bool:
        return (
            now - self.touched <= IDLE_S
            and now - self.created <= ABSOLUTE_S
            and (self.until is None or now < self.until)
        )


def fresh_key() -> str:
    """Return what a cookie holds."""
    return secrets.token_urlsafe(_KEY_BYTES)


def token(key: str) -> str:
    """Return what every form of the visitor with this key has to bring along."""
    return hmac.new(key.encode(), b"form", hashlib.sha256).hexdigest()


def is_token(key: str, given: str) -> bool:
    """Tell in constant time whether a form came from a page that this visitor was shown."""
    return bool(key) and hmac.compare_digest(token(key).encode(), given.encode(errors="replace"))


def start(registry: Registry, identity: Identity) -> str:
    """Begin a session and return its key; what has expired of others goes."""
    key, now = fresh_key(), registry.now()
    with registry.database.writing() as connection:
        connection.execute(
            "DELETE FROM sessions WHERE touched < ? OR created < ?", (now - IDLE_S, now - ABSOLUTE_S)
        )
        connection.execute(
            "INSERT INTO sessions (id, account, revision, created, touched, until) VALUES (?, ?, ?, ?, ?, ?)",
            (_hashed(key), identity.name, identity.revision, now, now, identity.until),
        )
    return key


def find(registry: Registry, key: str) -> Session | None:
    """Return the session with this key, unless it has expired."""
    with registry.reader.reading() as connection:
        row = connection.execute(
            "SELECT account, revision, created, touched, until FROM sessions WHERE id = ?", (_hashed(key),)
        ).fetchone()
    if row is None:
        return None
    found = Session(**dict(zip(Session.__struct_fields__, row, strict=True)))
    return found if found.is_alive(registry.now()) else None


def identity(registry: Registry, session: Session, address: str) -> Identity | None:
    """Return who a session speaks for, with the rights of now; None when their logins were ended."""
    account = identities.find(registry, session.account)
    if account.revision != session.revision or not identities.is_usable(registry, account):
        return None
    return identities.identity(registry, account, address, session.until)


def touch(registry: Registry, key: str, session: Session) -> None:
    """Note that a page was opened, once a minute at most: it is a write that reaches the disk.

    When the disk is full, what is there can still be looked at.
    """
    now = registry.now()
    if now - session.touched > _TOUCH_S:
        with suppress(errors.Unavailable), registry.database.writing() as connection:
            connection.execute("UPDATE sessions SET touched = ? WHERE id = ?", (now, _hashed(key)))


def end(registry: Registry, key: str) -> None:
    """Forget a session."""
    with registry.database.writing() as connection:
        connection.execute("DELETE FROM sessions WHERE id = ?", (_hashed(key),))


def _hashed(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
