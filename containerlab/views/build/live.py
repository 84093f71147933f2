"""A display that is drawn again and again while a build runs: events only move its board."""

from __future__ import annotations

from collections.abc import Sequence

from containerlab.views.build.board import Board
from containerlab.views.build.display import Finding, Step
from containerlab.views.redrawn import Redrawn

__all__ = ["Live"]


class Live(Redrawn):
    """Keeps a board; those that inherit say how it is drawn."""

    def __init__(self) -> None:
        super().__init__()
        self.board = Board()

    def settle(self) -> None:
        self.board.close()

    def planned(self, steps: Sequence[Step]) -> None:
        with self.lock:
            self.board.planned(steps)

    def started(self, step: int, time_s: float) -> None:
        with self.lock:
            self.board.begin(step, time_s)

    def output(self, step: int, stream: str, data: bytes, time_s: float) -> None:
        with self.lock:
            self.board.rows[step].log.feed(stream, data)

    def finished(self, step: int, status: str, time_s: float, error: str) -> None:
        with self.lock:
            self.board.end(step, status, time_s, error)

    def warned(self, finding: Finding) -> None:
        with self.lock:
            self.board.findings.append(finding)
