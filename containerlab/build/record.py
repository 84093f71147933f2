"""What a build tells while it runs, and what is known of it afterwards."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

__all__ = [
    "BuildRecord",
    "Event",
    "Finished",
    "LintWarning",
    "Output",
    "Planned",
    "Started",
    "Step",
    "StepRecord",
    "Warned",
    "Watcher",
]


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One operation of a build: a vertex of its graph."""

    id: int
    name: str
    """As it is shown: `[compile 2/4] RUN make`."""
    stage: str
    """Name or number of the stage; "" for what belongs to none, as loading a base image and exporting."""
    kind: str
    """source, run, copy, mkdir, export."""
    inputs: tuple[int, ...] = ()
    """Steps that it needs, the one below it first."""
    line: int = 0
    """In the Dockerfile; 0 for none."""


class LintWarning(msgspec.Struct, frozen=True, kw_only=True):
    """A finding of a lint rule."""

    rule: str
    """Its published name: StageNameCasing, …"""
    message: str
    line: int
    url: str = ""
    text: str = ""
    """The line of the Dockerfile."""


class Planned(msgspec.Struct, frozen=True, tag=True):
    """What will be done; comes once, first."""

    steps: tuple[Step, ...]


class Started(msgspec.Struct, frozen=True, tag=True):
    """time_s: since the beginning of the build."""

    step: int
    time_s: float


class Output(msgspec.Struct, frozen=True, tag=True):
    """What a RUN writes; secret values are masked already."""

    step: int
    stream: str
    data: bytes
    time_s: float


class Finished(msgspec.Struct, frozen=True, tag=True):
    """status: done, cached, failed or canceled. missed: which part of the cache key was new, in words."""

    step: int
    status: str
    time_s: float
    error: str = ""
    missed: str = ""


class Warned(msgspec.Struct, frozen=True, tag=True):
    warning: LintWarning


Event = Planned | Started | Output | Finished | Warned
Watcher = Callable[[Event], None]
"""Takes events one at a time, from whatever thread; must be quick."""


class StepRecord(msgspec.Struct, frozen=True, kw_only=True):
    """How a step went; times are seconds since the beginning of the build."""

    step: Step
    status: str
    started_s: float = 0.0
    finished_s: float = 0.0
    error: str = ""
    missed: str = ""
    log: str = ""
    """The last lines that it wrote."""

    @property
    def duration_s(self) -> float:
        return self.finished_s - self.started_s


class BuildRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A build that has ended."""

    id: str
    dockerfile: str
    """Its name."""
    target: str
    started_at: float
    """Seconds since the epoch."""
    wall_s: float
    steps: tuple[StepRecord, ...]
    warnings: tuple[LintWarning, ...] = ()
    names: tuple[str, ...] = ()
    digest: str = ""
    """Of the manifest, or of the index; empty when no image was made."""
    image_id: str = ""
    jobs: int = 0
    notices: tuple[str, ...] = ()
    """What was asked and is done in another way, a sentence each."""

    @property
    def linear_s(self) -> float:
        """How long the steps would have taken one after another."""
        return sum(step.duration_s for step in self.steps)
