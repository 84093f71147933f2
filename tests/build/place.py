"""A home to build in, and how its builds and a test meet."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from containerlab.build.cache.mounts import cache_folder
from containerlab.engine.build_result import BuildResult
from containerlab.errors import LabError
from tests import containers
from tests.containers import IMAGE

__all__ = ["FROM", "MEET", "Place", "building", "statuses", "waits"]

FROM = f"FROM {IMAGE}\n"
MEET = "--mount=type=cache,id=meet,target=/meet"


def waits(name: str) -> str:
    """Return what a RUN says that comes to the meeting and waits there."""
    return f"touch /meet/{name}; until [ -e /meet/go ]; do sleep 0.02; done"


class Place:
    """A home with an image, and the folder where RUNs and the test meet."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.engine = containers.engine(home)
        self.context = home.with_name(f"{home.name}-context")
        self.context.mkdir()
        self._meeting = cache_folder(self.engine.backend.home, "meet") / "0"

    def build(self, text: str, **options: Any) -> BuildResult:
        return self.engine.builder.build(str(self.context), dockerfile=text, **options)

    def has_come(self, name: str) -> bool:
        return (self._meeting / name).exists()

    def met(self, name: str) -> str:
        return (self._meeting / name).read_text()

    def let_go(self) -> None:
        (self._meeting / "go").touch()

    def left(self) -> list[str]:
        """Return what a build that is over must not leave."""
        found = [str(path) for name in ("tmp", "containers") for path in (self.home / name).iterdir()]
        return found + [str(path) for path in (self.home / "locks").glob("build-*")]


@contextmanager
def building(place: Place, text: str, **options: Any) -> Iterator[list[BuildResult | LabError]]:
    """Build in another thread; what came of it is in the list after the block."""
    results: list[BuildResult | LabError] = []

    def build() -> None:
        try:
            results.append(place.build(text, **options))
        except LabError as error:
            results.append(error)

    thread = threading.Thread(target=build)
    thread.start()
    try:
        yield results
    finally:
        thread.join()


def statuses(result: BuildResult | LabError) -> list[str]:
    assert isinstance(result, BuildResult), str(result)
    return [step.status for step in result.record.steps if step.step.kind != "export"]
