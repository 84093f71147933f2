"""What tests of the server's functions stand on: a registry on a home of its own, and a clock they set."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from containerlab.distribution.api.events import Event
from containerlab.distribution.server import events
from containerlab.distribution.server.accounts import logins, users
from containerlab.distribution.server.accounts.passwords import Passwords
from containerlab.distribution.server.registry import Registry, Settings
from containerlab.distribution.server.rights import Identity

ADDRESS = "192.0.2.7"
PASSWORD = "correct horse battery"


class Clock:
    """Shows the time that a test wants."""

    def __init__(self) -> None:
        self.time = 1_800_000_000.0

    def __call__(self) -> float:
        return self.time

    def advance(self, seconds: float) -> None:
        self.time += seconds


@contextmanager
def opened(home: Path, clock: Callable[[], float], **settings: Any) -> Iterator[Registry]:
    """Open a registry with an administrator, `admin`, who has PASSWORD."""
    registry = Registry(Settings(storage=str(home), **settings), now=clock)
    registry.passwords = Passwords(clock, memory_kib=8)
    try:
        users.ensure_administrator(registry, PASSWORD)
        yield registry
    finally:
        registry.close()


def logged_in(registry: Registry, name: str = "admin", password: str = PASSWORD) -> Identity:
    """Return an account that has said its password."""
    return logins.log_in(registry, name, password, ADDRESS)


def events_of(registry: Registry) -> list[Event]:
    """Return what the audit log has, oldest first."""
    with registry.reader.reading() as connection:
        return events.since(connection, 0)


def basic(name: str, password: str) -> str:
    """Return the header of somebody who sends a password."""
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()
