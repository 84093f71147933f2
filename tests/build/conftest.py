"""A store of its own for every test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from containerlab.store.images import Images
from tests.build import made
from tests.build.place import Place


@pytest.fixture
def images(tmp_path: Path) -> Iterator[Images]:
    """Yield an empty store; what comes in is kept until the end."""
    with made.store(tmp_path / "home") as store:
        yield store


@pytest.fixture
def place(base: Path, tmp_path: Path) -> Iterator[Place]:
    home = base / f"resilience-{tmp_path.name}"
    place = Place(home)
    try:
        yield place
    finally:
        place.engine.close()
