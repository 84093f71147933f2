"""Play the demo: make an image, run the scenes, write the page."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from containerlab import __version__
from containerlab.demo import scenes
from containerlab.demo.page import page
from containerlab.errors import wanted

if TYPE_CHECKING:
    from containerlab.backends.base import Facility
    from containerlab.engine.engine import Engine

__all__ = ["Report", "play"]

Say = Callable[[str], None]


def _named(scene: Callable[[Engine], scenes.Scene]) -> str:
    return scene.__name__.replace("_", " ")


_WIDE = max(len(_named(scene)) for scene in scenes.SCENES)


def _print(line: str) -> None:
    print(line, flush=True)


class Report(NamedTuple):
    """The demo's page; `lacking` is what the machine does not allow, a sentence each."""

    path: Path
    lacking: tuple[str, ...]
    scenes: tuple[scenes.Scene, ...]

    def __str__(self) -> str:
        return f"Open {self.path.resolve()} ({self.path.stat().st_size // 1024} KiB) in a browser."


def play(engine: Engine, directory: str | os.PathLike[str] = "demo", say: Say = _print) -> Report:
    """Run containers under limits, say a line about each, and write DIRECTORY/report.html.

    Raises: NotPermitted when no container can run here; Unsupported without the packages that draw.
    """
    _require_pictures()
    facts = _facts()
    say(" · ".join(facts.values()))
    lacking = tuple(_lacking(engine.system.doctor()))
    for line in lacking:
        say(f"  {line}")
    say(f"{'image':>{_WIDE}}  {_make_image(engine)}")
    played = []
    for scene in scenes.SCENES:
        played.append(scene(engine))
        say(f"{_named(scene):>{_WIDE}}  {played[-1].short}")
    path = Path(directory, "report.html")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page(facts, lacking, played), encoding="utf-8")
    return Report(path, lacking, tuple(played))


def _require_pictures() -> None:
    wanted("pandas", "the demo")
    wanted("matplotlib", "the demo").use("agg")


def _facts() -> dict[str, str]:
    return {
        "package": f"containerlab {__version__}",
        "kernel": f"Linux {platform.release()}",
        "machine": f"{platform.machine()}, {os.cpu_count()} processors",
        "user": "as root" if os.geteuid() == 0 else f"as an ordinary user (uid {os.geteuid()})",
        "time": time.strftime("%Y-%m-%d %H:%M"),
    }


def _lacking(facilities: Iterable[Facility]) -> Iterator[str]:
    every = list(facilities)
    cgroups = [facility for facility in every if facility.name.startswith("cgroup ")]
    without_any = bool(cgroups) and not any(facility.available for facility in cgroups)
    if without_any:
        yield f"no cgroup delegation: limits are off because {cgroups[0].reason}"
    for facility in every:
        if not facility.available and not (without_any and facility in cgroups):
            yield f"no {facility.name} ({facility.reason}): {facility.costs}"


def _make_image(engine: Engine) -> str:
    started = time.monotonic()
    image = engine.images.from_host(scenes.IMAGE)
    return f"{image.to_text()}, made of this machine's programs in {time.monotonic() - started:.1f} s"
