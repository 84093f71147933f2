"""A store of its own for every test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from containerlab.store.home import Home
from containerlab.store.images import Images


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Return a fresh home."""
    return Home.open(tmp_path / "home")


@pytest.fixture
def images(home: Home) -> Iterator[Images]:
    """Yield an empty store."""
    store = Images(home)
    yield store
    store.close()
