"""A build in a terminal, as BuildKit shows it: a line for each step, the last output below those that run.

[+] Building 3.2s (5/9)
 => CACHED [compile 1/4] FROM lab/base                      0.0s
 => [compile 2/4] RUN make                                  2.1s
 => => # gcc -c main.c
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TextIO

from containerlab.views.build.board import Board, Row
from containerlab.views.build.findings import findings_text
from containerlab.views.build.live import Live
from containerlab.views.frames import Frames, Line, fit, width_of

__all__ = ["TerminalDisplay", "frame"]

_LOG_LINES = 6
"""Of output, below a step that runs, where there is room."""


class TerminalDisplay(Live):
    """Frames drawn over each other; each leaves the cursor below itself and visible."""

    interval_s = 0.1

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._frames = Frames(stream)

    def draw(self, is_last: bool) -> None:
        width, height = self._frames.size()
        if is_last:
            steps = frame(self.board, width) if self.board.rows else []
            self._frames.draw([*steps, *_warnings(self.board)])
        else:
            self._frames.draw(frame(self.board, width, height))


def frame(board: Board, width: int = 80, height: int | None = None) -> list[Line]:
    """Return the lines that show a build, within so many columns and rows; all of them without a height."""
    now_s = board.now_s()
    title = Line(fit(_title(board, now_s), width))
    if height is None:
        return [title, *(_step_line(row, now_s, width) for row in board.started)]
    # One row is the title's, one the cursor's.
    shown, hidden = _chosen(board.started, height - 2)
    left = height - 2 - len(shown) - bool(hidden)
    running = sum(row.status == "running" for row in shown)
    log_lines = min(_LOG_LINES, left // running) if running else 0
    lines = [title, *([Line(fit(f" => … {hidden} more", width), "done")] if hidden else [])]
    for row in shown:
        lines.append(_step_line(row, now_s, width))
        lines += [Line(fit(f" => => # {line}", width)) for line in _tail(row, log_lines)]
    return lines


def _tail(row: Row, count: int) -> list[str]:
    return row.log.tail(count) if row.status == "running" else []


def _chosen(rows: list[Row], room: int) -> tuple[list[Row], int]:
    """Return the rows that fit, and how many do not: those that ended first go first."""
    if len(rows) <= room:
        return rows, 0
    room -= 1  # for the line that says so
    running = [row for row in rows if row.status == "running"][-room:] if room > 0 else []
    ended = [row for row in rows if row.status != "running"]
    kept = ended[len(ended) - (room - len(running)) :]
    shown = [row for row in rows if row in running or row in kept]
    return shown, len(rows) - len(shown)


def _title(board: Board, now_s: float) -> str:
    is_over = board.rows and board.ended == len(board.rows)
    return f"[+] Building {now_s:.1f}s ({board.ended}/{len(board.rows)}){' FINISHED' if is_over else ''}"


_WORDS = {"cached": "CACHED ", "failed": "ERROR ", "canceled": "CANCELED "}
_STYLES = {"cached": "done", "running": "", "waiting": ""}


def _step_line(row: Row, now_s: float, width: int) -> Line:
    time = f" {row.duration_s(now_s):.1f}s"
    name = fit(f" => {_WORDS.get(row.status, '')}{row.step.name}", width - len(time))
    gap = " " * (width - len(time) - width_of(name))
    return Line(f"{name}{gap}{time}", _STYLES.get(row.status, row.status))


def _warnings(board: Board) -> Iterator[Line]:
    """Yield what is told at the end. What a step wrote that failed, the error tells."""
    for number, text in enumerate(findings_text(board.findings)):
        yield from [Line(""), Line(text, "canceled")] if number == 0 else [Line(text)]
