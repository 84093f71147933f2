"""Logging in: a name and a password, a robot's secret, or a temporary login's."""

from __future__ import annotations

import hmac
import math

from containerlab.distribution.server import events, problems
from containerlab.distribution.server.accounts import attempts, identities, passwords, proofs
from containerlab.distribution.server.problems import TooMany
from containerlab.distribution.server.registry import Registry
from containerlab.distribution.server.rights import Identity

__all__ = ["Refused", "TooMany", "check_password", "is_known", "log_in"]

_MOST_NAME = 255


class Refused(problems.Unauthorized):
    """What was shown proves nothing."""


def log_in(registry: Registry, name: str, secret: str, address: str) -> Identity:
    """Return who has this name and secret. Slow at first, and quick for some minutes after a success.

    An unknown account takes the same way and as long as a wrong password.

    Raises: Refused, TooMany.
    """
    account = _check(registry, name, secret, address)
    until = None
    if proofs.is_temporary(secret):
        until = proofs.temporary_end(registry, account, secret)
        if until is None:  # it was remembered, and is over
            raise _refused()
    return identities.identity(registry, account, address, until)


def check_password(registry: Registry, name: str, password: str, address: str) -> None:
    """Check that this is the password of a user, and nothing that is good in its place.

    Raises: Refused, TooMany.
    """
    if proofs.is_temporary(password):
        raise _refused()
    _check(registry, name, password, address)


def is_known(registry: Registry, name: str, secret: str, address: str) -> bool:
    """Tell whether logging in will be quick."""
    parts = _parts(identities.find(registry, name), name, secret, address)
    return registry.passwords.remembers(*parts) is not None


def _check(registry: Registry, name: str, secret: str, address: str) -> identities.Row:
    if len(name) > _MOST_NAME or len(secret) > passwords.MOST_BYTES:
        raise _refused()
    with registry.reader.reading() as connection:
        _refuse_guessers(attempts.wait_here_s(connection, name, address, registry.now()))
    account = identities.find(registry, name)
    parts = _parts(account, name, secret, address)
    with registry.passwords.one_at_a_time(*parts):
        is_right = registry.passwords.remembers(*parts)
        if is_right is None:
            is_right = _check_slowly(registry, account, name, secret, address)
            registry.passwords.remember(is_right, *parts)
    if not is_right or not identities.is_usable(registry, account):
        raise _refused()
    return account


def _parts(account: identities.Row, name: str, secret: str, address: str) -> tuple[str, ...]:
    return name, account.hash, str(account.revision), address, secret


def _check_slowly(registry: Registry, account: identities.Row, name: str, secret: str, address: str) -> bool:
    now = registry.now()
    with registry.database.writing() as connection:
        _refuse_guessers(attempts.wait_s(connection, name, address, now))
        attempts.sweep(connection, now)
        attempts.count(connection, name, address, now)
    is_right = _is_right(registry, account, name, secret) and identities.is_usable(registry, account)
    identity = Identity(name=_printable(name), address=address)
    with registry.database.writing() as connection:
        if is_right:
            attempts.take_back(connection, name, address, now)
        events.note(registry, connection, identity, "login" if is_right else "login.refused")
    return is_right


def _printable(name: str) -> str:
    """No name that somebody typed forges a line of the audit log."""
    return "".join(sign if sign.isprintable() else "?" for sign in name)


def _is_right(registry: Registry, account: identities.Row, name: str, secret: str) -> bool:
    """Which way is taken depends on what was sent, never on what is known of the account."""
    if proofs.is_temporary(secret):
        return proofs.temporary_end(registry, account, secret) is not None
    if "+" in name:
        return hmac.compare_digest(account.hash, passwords.of_secret(secret))
    return registry.passwords.matches(account.hash, secret)


def _refuse_guessers(wait_s: float) -> None:
    if wait_s > 0:
        whole = math.ceil(wait_s)
        raise TooMany("too many failed logins", f"try again in {whole} s", retry_after_s=whole)


def _refused() -> Refused:
    return Refused("the name or the password is not right", "log in again")
