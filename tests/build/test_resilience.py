"""Builds beside other builds and prunes, killed or stopped: nothing half-made, nothing lost."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from containerlab.build.cache_mounts import cache_folder
from containerlab.build.located import DockerfileError
from containerlab.engine.build_result import BuildResult
from containerlab.errors import LabError
from containerlab.store.snapshots import MOST_LAYERS
from tests import containers
from tests.containers import IMAGE, until

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.system("busybox-static")]

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
        self._meeting = cache_folder(self.engine.backend.home, "/meet") / "0"

    def build(self, text: str, **options: Any) -> BuildResult:
        return self.engine.builder.build(str(self.context), dockerfile=text, **options)

    def has_come(self, name: str) -> bool:
        return (self._meeting / name).exists()

    def let_go(self) -> None:
        (self._meeting / "go").touch()

    def left(self) -> list[str]:
        """Return what a build that is over must not leave."""
        found = [str(path) for name in ("tmp", "containers") for path in (self.home / name).iterdir()]
        return found + [str(path) for path in (self.home / "locks").glob("build-*")]


@pytest.fixture
def place(base: Path, tmp_path: Path) -> Iterator[Place]:
    home = base / f"resilience-{tmp_path.name}"
    place = Place(home)
    try:
        yield place
    finally:
        place.engine.close()


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
    return [step.status for step in result.record.steps]


def test_everything_is_pruned_in_the_middle_of_a_build(place: Place) -> None:
    text = (
        f"FROM {IMAGE} AS one\nRUN echo one > /one\n"
        f"{FROM}RUN {MEET} {waits('here')}\nCOPY --from=one /one /\nRUN --mount=from=one,target=/m cat /m/one"
    )
    with building(place, text, tag="test/pruned") as results:
        until(lambda: place.has_come("here"))
        place.engine.images.remove(IMAGE)
        place.engine.builder.prune(all=True)
        place.engine.system.prune(all=True, volumes=True)
        place.engine.system.check()
        place.let_go()
    assert set(statuses(results[0])) == {"cached", "done"}
    assert place.engine.containers.run("test/pruned", ["cat", "/one"], rm=True).stdout == "one\n"
    until(lambda: not place.left())


def test_a_cache_mount_in_use_is_not_pruned(place: Place) -> None:
    with building(place, f"{FROM}RUN {MEET} {waits('here')}; ls /meet/here") as results:
        until(lambda: place.has_come("here"))
        assert "/meet" not in place.engine.builder.prune(all=True).removed
        place.let_go()
    assert statuses(results[0])[-1] == "done"
    assert "/meet" in place.engine.builder.prune(all=True).removed
    assert not list((place.home / "locks").glob("mount-*"))


def test_too_many_layers_are_refused_before_anything_is_done(place: Place) -> None:
    steps = "".join(f"RUN {number}\n" for number in range(MOST_LAYERS + 1))
    with pytest.raises(DockerfileError, match=rf"RUN stands on {MOST_LAYERS + 1} layers") as raised:
        place.build(FROM + steps)
    assert f"> {MOST_LAYERS + 2} | RUN {MOST_LAYERS}" in str(raised.value)
    assert len(place.engine.builder.usage()) == 0
