"""Frames in a terminal, drawn over each other; each leaves the cursor below itself and visible."""

from __future__ import annotations

import os
import unicodedata
from typing import NamedTuple, TextIO

__all__ = ["Frames", "Line", "fit", "width_of"]

_LEAST_WIDTH = 20


class Line(NamedTuple):
    """A line of a frame, and how it is coloured: "", done, failed or canceled."""

    text: str
    style: str = ""


_COLOURS = {"done": "\x1b[36m", "failed": "\x1b[31m", "canceled": "\x1b[33m", "": ""}


class Frames:
    """Draws on one stream."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._is_coloured = "NO_COLOR" not in os.environ
        self._drawn: list[int] = []
        """How wide the lines of the last frame are."""

    def size(self) -> tuple[int, int]:
        """Return columns and rows of the terminal."""
        try:
            columns, rows = os.get_terminal_size(self._stream.fileno())
        except OSError:
            columns, rows = 0, 0
        return max(_LEAST_WIDTH, columns or 80), max(3, rows or 24)

    def draw(self, lines: list[Line]) -> None:
        """Draw a frame in the place of the last one."""
        width, _ = self.size()
        # One write, so that no half of a frame is seen, nor a hidden cursor left by whoever ends in between.
        self._stream.write(f"\x1b[?25l{self._back(width)}{self._painted(lines)}\x1b[J\x1b[?25h")
        self._stream.flush()
        self._drawn = [width_of(line.text) for line in lines]

    def _back(self, width: int) -> str:
        """Go to the first line of the last frame, which a terminal made narrower has wrapped."""
        rows = sum(max(1, -(-drawn // width)) for drawn in self._drawn)
        return f"\r\x1b[{rows}A" if rows else "\r"

    def _painted(self, lines: list[Line]) -> str:
        return "".join(f"{self._coloured(line)}\x1b[K\n" for line in lines)

    def _coloured(self, line: Line) -> str:
        colour = _COLOURS[line.style] if self._is_coloured else ""
        return f"{colour}{line.text}\x1b[0m" if colour else line.text


def fit(text: str, width: int) -> str:
    """Cut text to so many columns."""
    if width_of(text) <= width:
        return text
    room = width - 1
    for number, character in enumerate(text):
        room -= _columns(character)
        if room < 0:
            return f"{text[:number]}…"
    return text


def width_of(text: str) -> int:
    """Return how many columns text takes."""
    return len(text) if text.isascii() else sum(map(_columns, text))


def _columns(character: str) -> int:
    """Return how many columns a character takes. Source: Unicode Standard Annex 11."""
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
