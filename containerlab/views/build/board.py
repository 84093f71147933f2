"""What is known of a build at a moment: a row for each step, its state, its times, its last lines."""

from __future__ import annotations

import time
from collections.abc import Sequence

from containerlab.views.build.display import Finding, Step
from containerlab.views.build.log import Log
from containerlab.views.build.order import as_written

__all__ = ["Board", "Row"]

_ENDED = ("done", "cached", "failed", "canceled")


class Row:
    """A step: waiting, running, done, cached, failed or canceled."""

    def __init__(self, step: Step) -> None:
        self.step = step
        self.number = 0
        """Its place among those that were begun, from 1."""
        self.status = "waiting"
        self.started_s = 0.0
        self.finished_s = 0.0
        self.error = ""
        self.log = Log()

    @property
    def has_ended(self) -> bool:
        return self.status in _ENDED

    def duration_s(self, now_s: float) -> float:
        """Return how long it took, or has been at it."""
        if self.status == "waiting":
            return 0.0
        return max(0.0, (self.finished_s if self.has_ended else now_s) - self.started_s)


class Board:
    """The rows of a build, in the order of the Dockerfile."""

    def __init__(self) -> None:
        self.rows: dict[int, Row] = {}
        self.started: list[Row] = []
        """Those that were begun, in that order."""
        self.findings: list[Finding] = []
        self._began = time.monotonic()
        self._ended_s: float | None = None

    def planned(self, steps: Sequence[Step]) -> None:
        rows = [*self.rows.values(), *map(Row, steps)]
        self.rows = {row.step.id: row for row in as_written(rows, lambda row: row.step)}

    def begin(self, step: int, time_s: float) -> Row:
        """Note that a step runs; one that ended without having run, as what was cached, begins then too."""
        row = self.rows[step]
        if row.status == "waiting":
            row.status, row.started_s = "running", time_s
            self.started.append(row)
            row.number = len(self.started)
        return row

    def end(self, step: int, status: str, time_s: float, error: str) -> Row:
        """Note that a step has ended. One that was canceled before it began is not among the started."""
        row = self.rows[step] if status == "canceled" else self.begin(step, time_s)
        row.started_s = time_s if row.status == "waiting" else row.started_s
        row.status, row.finished_s, row.error = status, time_s, error
        row.log.end()
        return row

    def close(self) -> None:
        """Stop the clock, and what runs with it: after an interrupt nobody says how it ended."""
        self._ended_s = self.now_s()
        for row in self.started:
            if not row.has_ended:
                self.end(row.step.id, "canceled", self._ended_s, "")

    def now_s(self) -> float:
        """Return the seconds since the build began."""
        return time.monotonic() - self._began if self._ended_s is None else self._ended_s

    def count(self, *statuses: str) -> int:
        return sum(row.status in statuses for row in self.rows.values())

    @property
    def ended(self) -> int:
        return self.count("done", "cached")

    @property
    def failed(self) -> list[Row]:
        return [row for row in self.rows.values() if row.status == "failed"]
