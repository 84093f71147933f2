"""A store of its own for every test, and images made for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from containerlab.store.home import Home
from containerlab.store.images import Images


@pytest.fixture
def images(tmp_path: Path) -> Iterator[Images]:
    """Yield an empty store."""
    store = Images(Home.open(tmp_path / "home"))
    yield store
    store.close()
