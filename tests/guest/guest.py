"""The guest that tests run in: a Debian that the project builds and boots itself.

Its kernel is not the host's, cgroup v2 is its only hierarchy, and the checkout is installed in it. QEMU
emulates the processor, so that everything takes some ten times as long as outside.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from containerlab.backends.base import Sink
from containerlab.engine.engine import Engine
from containerlab.engine.result import RunResult
from containerlab.errors import NotFound
from tests import kernels
from tests.users import REPOSITORY

__all__ = ["IMAGE", "build", "opened", "run", "show"]

HOME = REPOSITORY / "build" / "guest" / "home"
IMAGE = "guest/tests"
SUITE, PYTHON = "bookworm", "3.11"
MEMORY, CPUS, LIMIT_S = "2g", 2, 3 * 3600
_PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
_WHEELS = (*_PROJECT["dependencies"], "pytest>=8", "pytest-timeout>=2.3", "hypothesis>=6.100")
_BUILDERS = ("hatchling>=1.27", "editables")


@contextmanager
def opened() -> Iterator[Engine]:
    """Give an engine whose home keeps the image, so that only what changed is built again."""
    HOME.mkdir(parents=True, exist_ok=True)
    kernels.seed(HOME)
    with Engine(home=HOME) as engine:
        build(engine)
        yield engine


def build(engine: Engine) -> str:
    """Build the image of the checkout as it is now, and return its name; the first time takes minutes."""
    try:
        engine.images.get("guest/debian")
    except NotFound:
        engine.images.from_debootstrap(SUITE, "guest/debian")
    engine.build(
        str(REPOSITORY),
        file=str(REPOSITORY / "tests" / "guest" / "Dockerfile"),
        tag=[IMAGE],
        build_context={"wheels": str(_wheels())},
        progress="plain",
    )
    return IMAGE


def _wheels() -> Path:
    place = HOME.parent / "wheels"
    words = ["--quiet", "--dest", str(place), "--python-version", PYTHON, "--only-binary=:all:"]
    subprocess.run([sys.executable, "-m", "pip", "download", *words, *_WHEELS, *_BUILDERS], check=True)
    return place


def run(engine: Engine, words: Sequence[str], sink: Sink | None = None) -> RunResult:
    """Boot the image and have pytest run there with these words."""
    script = f"exec python3 -m pytest -p no:cacheprovider --timeout 1200 {shlex.join(words)}"
    return engine.machines.run(
        IMAGE,
        ["sh", "-c", script],
        memory=MEMORY,
        cpus=CPUS,
        module=["overlay", "fuse"],
        timeout=LIMIT_S,
        rm=True,
        sink=sink,
    )


def show(stream: str, chunk: bytes) -> None:
    """Show output as it comes."""
    sys.stdout.buffer.write(chunk)
    sys.stdout.flush()
