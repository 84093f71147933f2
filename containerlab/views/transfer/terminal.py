"""A transfer in a terminal, as Docker shows it: a line for each blob, with a bar while it moves.

v1: Pulling from lab/base
5f70bf18a086: Downloading [==========>              ]  12.3 MB of 30.1 MB
a3ed95caeb02: Pull complete
"""

from __future__ import annotations

from typing import TextIO

from containerlab.views.frames import Frames, Line, fit
from containerlab.views.transfer.board import Board, Row
from containerlab.views.transfer.live import Live

__all__ = ["TerminalDisplay", "frame"]

_BAR_WIDTH = 30


class TerminalDisplay(Live):
    """Frames drawn over each other."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream
        self._frames = Frames(stream)

    def draw(self, is_last: bool) -> None:
        width, height = self._frames.size()
        if self.board.heading:
            self._frames.draw(frame(self.board, width, None if is_last else height))

    def forget(self) -> None:
        self._frames = Frames(self._stream)
        self.board.notes = []


def frame(board: Board, width: int = 80, height: int | None = None) -> list[Line]:
    """Return the lines that show it, within so many columns and rows; all of them without a height."""
    rows = list(board.rows.values())
    notes = [Line(fit(note, width), "canceled") for note in board.notes]
    room = None if height is None else max(1, height - 3 - len(notes))  # heading, what is hidden, the cursor
    shown, hidden = _chosen(rows, room)
    lines = [Line(fit(board.heading, width)), *([Line(f"… {hidden} more", "done")] if hidden else [])]
    return [*lines, *(_line(row, width) for row in shown), *notes]


def _chosen(rows: list[Row], room: int | None) -> tuple[list[Row], int]:
    """Return the rows that fit, and how many do not: those that have ended go first, then those that wait."""
    if room is None or len(rows) <= room:
        return rows, 0
    order = sorted(rows, key=lambda row: (row.has_ended, row.status == "waiting"))
    kept = set(map(id, order[:room]))
    return [row for row in rows if id(row) in kept], len(rows) - room


def _line(row: Row, width: int) -> Line:
    text = f"{row.label}: {row.words}"
    if row.fraction is not None:
        text = f"{text} [{_bar(row.fraction)}] {row.amount}"
    return Line(fit(text, width), "done" if row.has_ended else "")


def _bar(fraction: float) -> str:
    filled = int(fraction * _BAR_WIDTH)
    return f"{'=' * filled}{'>' if filled < _BAR_WIDTH else ''}".ljust(_BAR_WIDTH)
