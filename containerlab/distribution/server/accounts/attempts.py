"""How often somebody may try to log in; kept in the database, so that all processes count together.

For each key one number is kept: the time at which all that was tried is forgotten. Each failure moves it on
by one interval; who would push it further ahead than the key's allowance is refused until it is near again
(the generic cell rate algorithm). A try is counted before the password is looked at and taken back when it
was right, so that a hundred at once are no more than a hundred in a row.

Three keys count: the account from this address, the address whatever the account, and the account wherever
from. A success takes back only what itself had counted: with an account of one's own nobody buys more
guesses.
"""

from __future__ import annotations

import ipaddress
import sqlite3
from typing import NamedTuple

__all__ = ["count", "forgive", "sweep", "take_back", "wait_here_s", "wait_s"]


class _Allowance(NamedTuple):
    """So many failures at once, and then one in each interval."""

    failures: int
    interval_s: float


_AT_ONCE = 64
"""Tries that may be counted before the first of them is refused."""
_PAIR = _Allowance(10, 30.0)
_ADDRESS = _Allowance(60, 5.0)
"""A class behind one address, most of whom mistype."""
_ACCOUNT = _Allowance(100, 30.0)


def _keys(account: str, address: str) -> dict[str, _Allowance]:
    network = _network(address)
    return {
        f"pair {account} {network}": _PAIR,
        f"address {network}": _ADDRESS,
        f"account {account}": _ACCOUNT,
    }


def _network(address: str) -> str:
    """Return an address as it is counted: of IPv6, whoever has one has its /64."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is None:
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)


def wait_s(connection: sqlite3.Connection, account: str, address: str, now: float) -> float:
    """Return how long somebody has to wait before the next try; 0 for not at all."""
    return _wait_s(connection, _keys(account, address), now)


def wait_here_s(connection: sqlite3.Connection, account: str, address: str, now: float) -> float:
    """Return the same without what others tried elsewhere, for those who logged in here lately."""
    keys = _keys(account, address)
    del keys[f"account {account}"]
    return _wait_s(connection, keys, now)


def _wait_s(connection: sqlite3.Connection, keys: dict[str, _Allowance], now: float) -> float:
    waits = (
        _until(connection, key, allowed, now) - now - (allowed.failures - 1) * allowed.interval_s
        for key, allowed in keys.items()
    )
    return max(0.0, *waits)


def count(connection: sqlite3.Connection, account: str, address: str, now: float) -> None:
    """Count one try."""
    _move(connection, account, address, now, +1)


def take_back(connection: sqlite3.Connection, account: str, address: str, now: float) -> None:
    """Uncount one that was right."""
    _move(connection, account, address, now, -1)


def _move(connection: sqlite3.Connection, account: str, address: str, now: float, tries: int) -> None:
    for key, allowed in _keys(account, address).items():
        until = max(_until(connection, key, allowed, now), now) + tries * allowed.interval_s
        connection.execute("INSERT OR REPLACE INTO attempts (key, until) VALUES (?, ?)", (key, until))


def _until(connection: sqlite3.Connection, key: str, allowed: _Allowance, now: float) -> float:
    row = connection.execute("SELECT until FROM attempts WHERE key = ?", (key,)).fetchone()
    # Nobody gets further ahead than this: the clock was set back, and they would be locked out as long.
    is_wrong = row and row[0] > now + (allowed.failures + _AT_ONCE) * allowed.interval_s
    return row[0] if row and not is_wrong else 0.0


def forgive(connection: sqlite3.Connection, account: str) -> None:
    """Forget what was tried for an account, when it has got another password."""
    beginning = f"pair {account} "
    connection.execute(
        "DELETE FROM attempts WHERE key = ? OR substr(key, 1, ?) = ?",
        (f"account {account}", len(beginning), beginning),
    )


def sweep(connection: sqlite3.Connection, now: float) -> None:
    """Forget those who have waited long enough."""
    connection.execute("DELETE FROM attempts WHERE until <= ?", (now,))
