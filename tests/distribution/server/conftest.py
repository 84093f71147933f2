"""A registry for each test; most of them change it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from containerlab.distribution.server.registry import Registry
from containerlab.distribution.server.rights import Identity
from tests.distribution.server import grounds


@pytest.fixture
def clock() -> grounds.Clock:
    """Return the clock that the registry goes by."""
    return grounds.Clock()


@pytest.fixture
def registry(tmp_path: Path, clock: grounds.Clock) -> Iterator[Registry]:
    """Yield a registry with an administrator."""
    with grounds.opened(tmp_path / "home", clock) as registry:
        yield registry


@pytest.fixture
def admin(registry: Registry) -> Identity:
    """Return its administrator."""
    return grounds.logged_in(registry)
