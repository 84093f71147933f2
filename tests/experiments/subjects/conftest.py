"""Every subject that this machine has, on one image with the measuring program in it."""

from __future__ import annotations

import contextlib
import os
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from containerlab.engine.engine import Engine
from containerlab.experiments.probe import probe
from containerlab.experiments.shares import Shares
from containerlab.experiments.subject import Subject
from containerlab.experiments.subjects.bare import Bare
from containerlab.experiments.subjects.bundles import Bundles, unpack
from containerlab.experiments.subjects.docker import Docker
from containerlab.experiments.subjects.machines import MachineGroups, Tiered
from containerlab.experiments.subjects.own import Own
from containerlab.experiments.subjects.podman import Podman
from tests import containers as small
from tests import dockerd, kernels, system_packages
from tests.needs import require_packages


class Stand(NamedTuple):
    """What subjects are made of."""

    engine: Engine
    image: str
    shares: Shares
    scratch: Path


@pytest.fixture(scope="module")
def stand(base: Path, request: pytest.FixtureRequest) -> Iterator[Stand]:
    """Yield an engine that has the image, and a group for the subjects."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    scratch = base / f"{request.module.__name__}-scratch"
    scratch.mkdir()
    shares = Shares()
    with small.engine(base / request.module.__name__) as engine:
        try:
            _recompress(engine)
            yield Stand(engine, probe.image(engine, small.IMAGE), shares, scratch)
        finally:
            shares.close()


@contextlib.contextmanager
def _bare(stand: Stand) -> Iterator[Subject]:
    yield Bare(stand.shares, stand.scratch)


@contextlib.contextmanager
def _own(stand: Stand) -> Iterator[Subject]:
    yield Own(stand.engine, stand.image, stand.shares)


def _bundles(name: str) -> Callable[[Stand], contextlib.AbstractContextManager[Subject]]:
    @contextlib.contextmanager
    def made(stand: Stand) -> Iterator[Subject]:
        tree = stand.scratch / f"{name}-tree"
        unpack(stand.engine, stand.image, tree)
        yield Bundles(name, tree, ["PATH=/bin"], stand.shares, stand.scratch)

    return made


def _recompress(engine: Engine) -> None:
    """Give the image layers as `image from-host` does: by zstd, which old Docker daemons do not know."""
    output = f"type=image,name={small.IMAGE},compression=zstd,force-compression=true"
    engine.build(".", dockerfile=f"FROM {small.IMAGE}\n", output=[output], progress="quiet")


@contextlib.contextmanager
def _docker(stand: Stand) -> Iterator[Subject]:
    with dockerd.daemon() as docker:
        path = docker.host.removeprefix("unix://")
        yield Docker(stand.engine, stand.image, stand.shares, stand.scratch, path)


@contextlib.contextmanager
def _podman(stand: Stand) -> Iterator[Subject]:
    # Of the directory of what runs it takes 50 characters at most.
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="podman-") as folder:
        places = ["--root", f"{folder}/store", "--runroot", f"{folder}/run"]
        places += ["--storage-driver", "overlay", "--events-backend", "none"]
        yield Podman(stand.engine, stand.image, stand.shares, stand.scratch, places)
        dockerd.unmount(folder)


@contextlib.contextmanager
def _machine(stand: Stand) -> Iterator[Subject]:
    """Restored ones, which start soonest; the claims are tested with machines that boot."""
    kernels.seed(Path(stand.engine.home))
    yield Tiered(stand.engine, stand.image, MachineGroups(stand.shares), "resume")


_MAKERS = {
    "bare": _bare,
    "own": _own,
    "crun": _bundles("crun"),
    "runc": _bundles("runc"),
    "docker": _docker,
    "podman": _podman,
    "machine": _machine,
}
_PACKAGES = {
    "crun": "crun",
    "runc": "runc",
    "docker": "docker.io",
    "podman": "podman",
    "machine": "qemu-system-x86",
}


@pytest.fixture(scope="module", params=_MAKERS)
def subject(request: pytest.FixtureRequest, stand: Stand) -> Iterator[Subject]:
    """Yield one subject after the other."""
    needed = _PACKAGES.get(request.param)
    require_packages([package for package in system_packages.missing() if package == needed])
    with _MAKERS[request.param](stand) as subject:
        yield subject
        subject.close()


@pytest.fixture
def port() -> int:
    """Return a port that nobody listens at."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        number: int = free.getsockname()[1]
        return number
