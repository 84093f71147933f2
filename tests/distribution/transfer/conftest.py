"""Registries for transfers: one that others wrote, and a cable to it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from containerlab.distribution.remote import Remote
from containerlab.oci.reference import Reference
from containerlab.store.home import Home
from containerlab.store.images import Images
from containerlab.store.layers import Layers
from tests import registries
from tests.distribution.transfer import cable


class Store:
    """A home, and what works on it."""

    def __init__(self, root: Path) -> None:
        self.home = Home.open(root)
        self.images = Images(self.home)
        self.layers = Layers(self.home)

    def has(self, *digests: str) -> list[bool]:
        return [self.images.blobs.has(digest) for digest in digests]

    def rest(self) -> list[str]:
        """Return the names of what is not finished."""
        return sorted(entry.name for entry in self.home.temporary.iterdir())


def _plain(name: str) -> str:
    """Return the name of a test as a repository may be called."""
    return re.sub("[^a-z0-9]+", "-", name.lower()).strip("-")


@pytest.fixture(scope="session")
def registry(base: Path) -> Iterator[registries.Registry]:
    with registries.debian(base / "transfer-registry") as found:
        yield found


@pytest.fixture
def wire(registry: registries.Registry) -> Iterator[cable.Cable]:
    with cable.laid(registry.host) as found:
        yield found


@pytest.fixture
def store(base: Path, request: pytest.FixtureRequest) -> Iterator[Store]:
    found = Store(base / f"transfer-{_plain(request.node.name)}")
    yield found
    found.images.close()


@pytest.fixture
def repository(request: pytest.FixtureRequest) -> str:
    """Return a repository of this test's own."""
    return _plain(request.node.name)


@pytest.fixture
def remote(registry: registries.Registry, repository: str) -> Iterator[Remote]:
    with Remote(Reference.parse(f"{registry.host}/{repository}")) as found:
        yield found


@pytest.fixture
def another_store(base: Path, request: pytest.FixtureRequest) -> Iterator[Callable[[str], Store]]:
    """Give what makes further stores."""
    made: list[Store] = []

    def make(name: str) -> Store:
        made.append(Store(base / f"transfer-{_plain(request.node.name)}-{name}"))
        return made[-1]

    yield make
    for each in made:
        each.images.close()
