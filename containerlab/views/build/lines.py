"""A build as lines that only come and stay: for logs, and where there is no terminal.

#5 [compile 2/4] RUN make
#5 0.312 gcc -c main.c
#5 DONE 1.2s
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from typing import TextIO

from containerlab.views.build.board import Board, Row
from containerlab.views.build.display import Finding, Step
from containerlab.views.build.findings import findings_text
from containerlab.views.build.log import clean

__all__ = ["PlainDisplay", "QuietDisplay"]


class PlainDisplay:
    """Steps are numbered in the order in which they begin; lines of another step stand apart.

    A step that ends is named again where lines of others came between.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._board = Board()
        self._lock = threading.Lock()
        self._last = 0
        """The step whose line came last."""

    def planned(self, steps: Sequence[Step]) -> None:
        self._board.planned(steps)

    def started(self, step: int, time_s: float) -> None:
        with self._lock:
            row = self._board.begin(step, time_s)
            self._write(row, [row.step.name])

    def output(self, step: int, stream: str, data: bytes, time_s: float) -> None:
        with self._lock:
            row = self._board.rows[step]
            self._write_output(row, row.log.feed(stream, data), time_s)

    def _write_output(self, row: Row, lines: list[str], time_s: float) -> None:
        self._write(row, [f"{time_s - row.started_s:.3f} {line}" for line in lines])

    def finished(self, step: int, status: str, time_s: float, error: str) -> None:
        with self._lock:
            before = self._board.rows[step]
            was_begun = before.status == "running"
            self._write_output(before, before.log.end(), time_s)
            row = self._board.end(step, status, time_s, error)
            if was_begun or status != "canceled":
                is_told = was_begun and self._last == row.number
                self._write(row, [*([] if is_told else [row.step.name]), _ending(row)])

    def warned(self, finding: Finding) -> None:
        self._board.findings.append(finding)

    def open(self) -> None:
        """Nothing is shown before something happens."""

    def close(self) -> None:
        findings = findings_text(self._board.findings)
        self._stream.write("".join(f"{line}\n" for line in (["", *findings] if findings else [])))
        self._stream.flush()

    def _write(self, row: Row, lines: Iterable[str]) -> None:
        text = "".join(f"#{row.number} {line}\n" for line in lines)
        if not text:
            return
        self._stream.write(text if self._last in (0, row.number) else f"\n{text}")
        self._stream.flush()
        self._last = row.number


def _ending(row: Row) -> str:
    match row.status:
        case "done":
            return f"DONE {row.duration_s(row.finished_s):.1f}s"
        case "failed":
            return f"ERROR: {clean(row.error)}"
    return row.status.upper()


class QuietDisplay:
    """Shows nothing: of a step that fails, the error tells."""

    def planned(self, steps: Sequence[Step]) -> None:
        """Say nothing."""

    def started(self, step: int, time_s: float) -> None:
        """Say nothing."""

    def output(self, step: int, stream: str, data: bytes, time_s: float) -> None:
        """Say nothing."""

    def finished(self, step: int, status: str, time_s: float, error: str) -> None:
        """Say nothing."""

    def warned(self, finding: Finding) -> None:
        """Say nothing."""

    def open(self) -> None:
        """Say nothing."""

    def close(self) -> None:
        """Say nothing."""
