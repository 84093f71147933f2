"""A build in a terminal, as BuildKit shows it: a line for each step, the last output below those that run.

[+] Building 3.2s (5/9)
 => CACHED [compile 1/4] FROM lab/base                      0.0s
 => [compile 2/4] RUN make                                  2.1s
 => => # gcc -c main.c
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple, TextIO

from containerlab.views.build.board import Board, Row
from containerlab.views.build.findings import findings_text
from containerlab.views.build.live import Live

__all__ = ["Line", "TerminalDisplay", "frame"]

_LOG_LINES = 6
"""Of output, below a step that runs, where there is room."""
_LEAST_WIDTH = 20


class Line(NamedTuple):
    """A line of a frame, and how it is coloured: "", done, failed or canceled."""

    text: str
    style: str = ""


_COLOURS = {"done": "\x1b[36m", "failed": "\x1b[31m", "canceled": "\x1b[33m", "": ""}


class TerminalDisplay(Live):
    """Frames drawn over each other; each leaves the cursor below itself and visible."""

    interval_s = 0.1

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream
        self._is_coloured = "NO_COLOR" not in os.environ
        self._drawn: list[int] = []
        """How wide the lines of the last frame are."""

    def draw(self, is_last: bool) -> None:
        width, height = _size(self._stream)
        if is_last:
            steps = frame(self.board, width) if self.board.rows else []
            lines = [*steps, *_warnings(self.board)]
        else:
            lines = frame(self.board, width, height)
        # One write, so that no half of a frame is seen, nor a hidden cursor left by whoever ends in between.
        self._stream.write(f"\x1b[?25l{self._back(width)}{self._painted(lines)}\x1b[J\x1b[?25h")
        self._stream.flush()
        self._drawn = [_width(line.text) for line in lines]

    def _back(self, width: int) -> str:
        """Go to the first line of the last frame, which a terminal made narrower has wrapped."""
        rows = sum(max(1, -(-drawn // width)) for drawn in self._drawn)
        return f"\r\x1b[{rows}A" if rows else "\r"

    def _painted(self, lines: list[Line]) -> str:
        return "".join(f"{self._coloured(line)}\x1b[K\n" for line in lines)

    def _coloured(self, line: Line) -> str:
        colour = _COLOURS[line.style] if self._is_coloured else ""
        return f"{colour}{line.text}\x1b[0m" if colour else line.text


def _size(stream: TextIO) -> tuple[int, int]:
    try:
        columns, rows = os.get_terminal_size(stream.fileno())
    except OSError:
        columns, rows = 0, 0
    return max(_LEAST_WIDTH, columns or 80), max(3, rows or 24)


def frame(board: Board, width: int = 80, height: int | None = None) -> list[Line]:
    """Return the lines that show a build, within so many columns and rows; all of them without a height."""
    now_s = board.now_s()
    title = Line(_fit(_title(board, now_s), width))
    if height is None:
        return [title, *(_step_line(row, now_s, width) for row in board.started)]
    # One row is the title's, one the cursor's.
    shown, hidden = _chosen(board.started, height - 2)
    left = height - 2 - len(shown) - bool(hidden)
    running = sum(row.status == "running" for row in shown)
    log_lines = min(_LOG_LINES, left // running) if running else 0
    lines = [title, *([Line(_fit(f" => … {hidden} more", width), "done")] if hidden else [])]
    for row in shown:
        lines.append(_step_line(row, now_s, width))
        lines += [Line(_fit(f" => => # {line}", width)) for line in _tail(row, log_lines)]
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
    name = _fit(f" => {_WORDS.get(row.status, '')}{row.step.name}", width - len(time))
    gap = " " * (width - len(time) - _width(name))
    return Line(f"{name}{gap}{time}", _STYLES.get(row.status, row.status))


def _warnings(board: Board) -> Iterator[Line]:
    """Yield what is told at the end. What a step wrote that failed, the error tells."""
    for number, text in enumerate(findings_text(board.findings)):
        yield from [Line(""), Line(text, "canceled")] if number == 0 else [Line(text)]


def _fit(text: str, width: int) -> str:
    """Cut text to so many columns."""
    if _width(text) <= width:
        return text
    room = width - 1
    for number, character in enumerate(text):
        room -= _columns(character)
        if room < 0:
            return f"{text[:number]}…"
    return text


def _width(text: str) -> int:
    return len(text) if text.isascii() else sum(map(_columns, text))


def _columns(character: str) -> int:
    """Return how many columns a character takes. Source: Unicode Standard Annex 11."""
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
