"""An engine with a small image for each module."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from containerlab.engine.containers import Containers
from containerlab.engine.engine import Engine
from tests import containers as small


@pytest.fixture(scope="module")
def engine(base: Path, request: pytest.FixtureRequest) -> Iterator[Engine]:
    """Yield an engine of this process's user."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    with small.engine(base / request.module.__name__) as engine:
        yield engine


@pytest.fixture
def containers(engine: Engine) -> Iterator[Containers]:
    """Yield the verbs; whatever containers and volumes a test leaves are removed."""
    yield engine.containers
    for container in engine.containers.list(all=True):
        engine.containers.remove(container.id, force=True, volumes=True)
    engine.volumes.prune(all=True)
