"""Building a case by Docker."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.build.oracle import bases, picture
from tests.build.oracle.case import Case
from tests.dockerd import Docker, daemon

__all__ = ["build", "docker_with_bases"]

_TAG = "lab/result"


@contextmanager
def docker_with_bases() -> Iterator[Docker]:
    """Run a daemon that has the base images."""
    with daemon() as docker:
        docker.run("load", input=bases.archive(), check=True)
        yield docker


def build(docker: Docker, case: Case, work: Path) -> list[str]:
    """Build a case in an empty directory; return the image in lines, or that it fails."""
    words = case.prepare(work)
    environment = {
        **os.environ,
        "DOCKER_BUILDKIT": "1",
        "DOCKER_CONFIG": str(work / "no-config"),
        "HOME": str(work),
    }
    told = ("build", "--progress=plain", "--network=none", "-t", _TAG, *words)
    done = docker.run(*told, cwd=work, env=environment, input=case.standard_input(work))
    if done.returncode:
        return ["It fails."]
    saved = docker.run("save", _TAG)
    docker.run("rmi", _TAG)
    return picture.lines(saved.stdout, bases.plain()) if saved.returncode == 0 else ["It makes no image."]
