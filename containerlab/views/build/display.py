"""What displays of a build take: plain values, so that they need to know no builder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

__all__ = ["Display", "Ended", "Finding", "Step"]


class Step(Protocol):
    """One operation of a build."""

    @property
    def id(self) -> int: ...
    @property
    def name(self) -> str: ...
    @property
    def stage(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def inputs(self) -> tuple[int, ...]: ...
    @property
    def line(self) -> int:
        """In the Dockerfile; 0 for none."""


class Ended(Protocol):
    """How a step went; times are seconds since the beginning of the build."""

    @property
    def step(self) -> Step: ...
    @property
    def status(self) -> str: ...
    @property
    def started_s(self) -> float: ...
    @property
    def finished_s(self) -> float: ...
    @property
    def duration_s(self) -> float: ...


class Finding(Protocol):
    """What a lint rule has to say about a line."""

    @property
    def rule(self) -> str: ...
    @property
    def message(self) -> str: ...
    @property
    def line(self) -> int: ...
    @property
    def url(self) -> str: ...
    @property
    def text(self) -> str: ...


class Display(Protocol):
    """Shows a build from its beginning to its end; times are seconds since the beginning.

    May be told from any thread, one event at a time; is opened and closed in the thread that waits for the
    build, whether it ends well, badly, or by an interrupt.
    """

    def planned(self, steps: Sequence[Step]) -> None:
        """Take note of steps to come."""

    def started(self, step: int, time_s: float) -> None: ...
    def output(self, step: int, stream: str, data: bytes, time_s: float) -> None: ...
    def finished(self, step: int, status: str, time_s: float, error: str) -> None:
        """Take the end of a step; status is done, cached, failed or canceled."""

    def warned(self, finding: Finding) -> None: ...
    def open(self) -> None: ...
    def close(self) -> None: ...
