"""All that registries differ in: transport, how clients prove who they are, processes.

Two combinations belong to `make test`; the rest, and docker-registry as a check of the tests themselves, to
`make test-registry`.
"""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

import pytest

from tests import registries
from tests.distribution import wire
from tests.distribution.conformance.known import DEBIAN_FAILS


class Combination(NamedTuple):
    """How a registry is set up; workers: 0 for docker-registry."""

    auth: registries.Auth
    tls: bool
    workers: int

    def __str__(self) -> str:
        who = f"{self.workers}-worker" if self.workers else "docker-registry"
        return f"{who}-{'tls' if self.tls else 'http'}-{self.auth}"

    def start(self, folder: Path) -> AbstractContextManager[registries.Registry]:
        """Start it."""
        if not self.workers:
            return registries.debian(folder, auth=self.auth, tls=self.tls)
        return registries.ours(folder, auth=self.auth, tls=self.tls, workers=self.workers)


_ALWAYS = (Combination("bearer", False, 1), Combination("basic", True, 2))
_ALL = [
    *(Combination(*each) for each in itertools.product(("none", "basic", "bearer"), (False, True), (1, 2))),
    Combination("basic", True, 0),
]


def _parameter(combination: Combination) -> object:
    marks = [] if combination in _ALWAYS else [pytest.mark.registry]
    if not combination.workers:
        marks.append(pytest.mark.system("docker-registry"))
    return pytest.param(combination, id=str(combination), marks=marks)


@pytest.fixture(scope="package", params=map(_parameter, _ALL))
def registry(request: pytest.FixtureRequest, base: Path) -> Iterator[registries.Registry]:
    """One registry after the other, each set up in another way."""
    with request.param.start(base / f"conformance-{request.param}") as running:
        yield running


@pytest.fixture(scope="module")
def client(registry: registries.Registry) -> Iterator[wire.Client]:
    with wire.connected(registry) as client:
        yield client


@pytest.fixture(autouse=True)
def _own_connection(client: wire.Client) -> Iterator[None]:
    """Let no test begin with what another has left in a connection."""
    yield
    client.close()


@pytest.fixture
def repository(client: wire.Client) -> wire.Repository:
    """A repository that does not exist yet."""
    return client.repository(f"lab/{uuid.uuid4().hex}")


@pytest.fixture
def other(client: wire.Client) -> wire.Repository:
    """One more."""
    return client.repository(f"lab/{uuid.uuid4().hex}")


@pytest.fixture(autouse=True)
def _known_failures(request: pytest.FixtureRequest, registry: registries.Registry) -> None:
    """Expect of docker-registry what it is known to fail at, and nothing else."""
    if registry.kind == "debian":
        parameters = request.node.name.partition(f"{request.node.callspec.params['registry']}")[2].strip("-]")
        for known, reason in DEBIAN_FAILS.items():
            test, _, pattern = known.rstrip("]").partition("[")
            if request.node.originalname == test and fnmatchcase(parameters, pattern or "*"):
                request.applymarker(pytest.mark.xfail(reason=reason))
