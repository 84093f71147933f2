"""An engine whose home has a small image, for everybody who runs containers here."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from containerlab.engine.containers import Containers
from containerlab.engine.engine import Engine
from tests import containers as small


@pytest.fixture(scope="session")
def engine(base: Path) -> Iterator[Engine]:
    """Yield an engine of this process's user."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    with small.engine(base / "security") as engine:
        _require_own_root(engine)
        yield engine


def _require_own_root(engine: Engine) -> None:
    """Stop before a test overwrites files of the host that it takes for a container's."""
    own = engine.containers.run(small.IMAGE, ["stat", "-c", "%d:%i", "/"], rm=True).stdout.strip()
    root = os.stat("/")
    if own == f"{root.st_dev}:{root.st_ino}":
        pytest.exit("containers run in the host's root file system")


@pytest.fixture
def containers(engine: Engine) -> Iterator[Containers]:
    """Yield the verbs; whatever containers a test leaves are removed."""
    yield engine.containers
    for container in engine.containers.list(all=True):
        engine.containers.remove(container.id, force=True, volumes=True)
