"""One closed registry that is asked for what nobody should ask for, and a look at what it did."""

from __future__ import annotations

import itertools
import os
import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests import registries
from tests.containers import until
from tests.distribution import wire

_NUMBERS = itertools.count()
_REQUEST = re.compile(r'" [1-5][0-9]{2} ')
"""What a line about a request has, and others have not."""


@pytest.fixture(scope="package")
def registry(base: Path) -> Iterator[registries.Registry]:
    with registries.ours(base / "hostile", auth="basic") as running:
        yield running


@pytest.fixture(scope="module")
def client(registry: registries.Registry) -> Iterator[wire.Client]:
    with wire.connected(registry) as client:
        yield client


@pytest.fixture(autouse=True)
def _own_connection(client: wire.Client) -> Iterator[None]:
    yield
    client.close()


@pytest.fixture
def repository(client: wire.Client) -> wire.Repository:
    """A repository that has one blob."""
    found = client.repository(f"lab/{uuid.uuid4().hex}")
    found.push_blob(b"{}")
    return found


@pytest.fixture
def refused(registry: registries.Registry, client: wire.Client) -> Callable[[], object]:
    """Give a context whose requests must leave the store as it was, and a line in the log each."""

    @contextmanager
    def watch(lines: int | None = 1) -> Iterator[None]:
        _mark(registry, client)
        before = stored(registry.storage)
        yield
        told = _mark(registry, client)
        assert stored(registry.storage) == before
        assert lines is None or len(told) == lines, told

    return watch


def stored(storage: Path) -> dict[str, int]:
    """Return what lies in a store with its size: all files but those of the databases."""
    found = {}
    for directory, _, files in os.walk(storage):
        for name in files:
            path = Path(directory, name)
            if not name.startswith(("registry.db", "state.db")) and path.is_file():
                found[str(path.relative_to(storage))] = path.stat().st_size
    return found


def _mark(registry: registries.Registry, client: wire.Client) -> list[str]:
    """Write a line into the log that can be found again; return the lines since the last such."""
    mark = f"mark-{os.getpid()}-{next(_NUMBERS)}-end"
    assert client("GET", f"/v2/lab/{mark}/manifests/x").status == 404
    until(lambda: mark in registry.log.read_text())
    lines = registry.log.read_text().splitlines()
    last = max(number for number, line in enumerate(lines) if mark in line)
    marks = [number for number, line in enumerate(lines[:last]) if f"mark-{os.getpid()}-" in line]
    between = lines[marks[-1] + 1 : last] if marks else []
    return [line for line in between if _REQUEST.search(line)]
