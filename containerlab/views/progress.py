"""Progress of long work, shown only when it is long.

Whoever works calls `update` as often as it likes, from its own thread; nothing is shown in the first second,
then at most four times a second, and the last picture is cleared: the result speaks for itself.
"""

from __future__ import annotations

import io
import os
import sys
import time
from typing import Any, BinaryIO, Protocol, TextIO

from containerlab import units

__all__ = [
    "Bar",
    "Canvas",
    "Counted",
    "NotebookCanvas",
    "TerminalCanvas",
    "canvas",
    "is_watched",
    "notebook_canvas",
]

_SHOW_AFTER_S = 1.0
_REDRAW_S = 0.25


class Canvas(Protocol):
    """A place where one line is shown again and again."""

    def draw(self, line: str, fraction: float | None) -> None: ...
    def clear(self) -> None: ...


class TerminalCanvas:
    """The last line of a terminal."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def draw(self, line: str, fraction: float | None) -> None:
        columns = _columns(self.stream)
        self.stream.write(f"\r\x1b[K{line[: columns - 1]}")
        self.stream.flush()

    def clear(self) -> None:
        self.stream.write("\r\x1b[K")
        self.stream.flush()


def _columns(stream: TextIO) -> int:
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except OSError:
        return 80


class NotebookCanvas:
    """One output of the cell, updated in place."""

    def __init__(self) -> None:
        self._handle: object = None

    def draw(self, line: str, fraction: float | None) -> None:
        from IPython.display import display, update_display

        bundle = {"text/plain": line, "text/html": _bar_html(line, fraction)}
        if self._handle is None:
            self._handle = display(bundle, raw=True, display_id=True)  # type: ignore[no-untyped-call]  # IPython has no types
        else:
            identity = self._handle.display_id  # type: ignore[attr-defined]  # as above
            update_display(bundle, raw=True, display_id=identity)  # type: ignore[no-untyped-call]  # as above

    def clear(self) -> None:
        """Leave the last picture: an output cannot be taken away without a flicker."""


def notebook_canvas() -> Canvas:
    """Return a cell's output as a place for progress, or nowhere if nobody looks on."""
    return NotebookCanvas() if is_watched() else _Nowhere()


def is_watched() -> bool:
    """Say whether somebody may look on at a cell: programs that execute notebooks allow no input.

    What moves there would be left as it was at first, and be a difference to those who compare outputs.
    """
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return bool(getattr(getattr(shell, "kernel", None), "_allow_stdin", True))


def _bar_html(line: str, fraction: float | None) -> str:
    from containerlab.views.html import text

    done = "" if fraction is None else f' value="{fraction:.3f}"'
    bar = f'<progress{done} aria-label="{text(line)}"></progress>'
    return f'<div style="font-size:13px;">{bar} {text(line)}</div>'


class _Nowhere:
    def draw(self, line: str, fraction: float | None) -> None:
        pass

    def clear(self) -> None:
        pass


def canvas(stream: TextIO | None = None) -> Canvas:
    """Return where progress can be shown here: a terminal, or nowhere."""
    target = stream or sys.stderr
    return TerminalCanvas(target) if target.isatty() else _Nowhere()


class Counted(io.RawIOBase):
    """A file whose reading moves a bar."""

    def __init__(self, file: BinaryIO, bar: Bar) -> None:
        self._file = file
        self._bar = bar

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        self._bar.update(len(data))
        return len(data)


class Bar:
    """How far some work is.

    >>> with Bar("unpack", 100) as bar:
    ...     bar.update(50)
    """

    def __init__(self, what: str, total_bytes: int | None = None, place: Canvas | None = None) -> None:
        self.what = what
        self.total_bytes = total_bytes
        self.done_bytes = 0
        self._canvas = place or _Nowhere()
        self._next_draw = time.monotonic() + _SHOW_AFTER_S
        self._is_drawn = False

    def update(self, more_bytes: int) -> None:
        """Add to what is done."""
        self.done_bytes += more_bytes
        now = time.monotonic()
        if now >= self._next_draw:
            self._next_draw = now + _REDRAW_S
            self._is_drawn = True
            self._canvas.draw(self.line(), self.fraction())

    def say(self, what: str) -> None:
        """Change what is said to be done."""
        self.what = what
        self.update(0)

    def fraction(self) -> float | None:
        return self.done_bytes / self.total_bytes if self.total_bytes else None

    def line(self) -> str:
        """Write what is shown."""
        done = units.format_size(self.done_bytes)
        if not self.total_bytes:
            return f"{self.what}: {done}" if self.done_bytes else self.what
        return f"{self.what}: {done} of {units.format_size(self.total_bytes)} ({self.fraction():.0%})"

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        """Leave a picture that is whole, where pictures stay; one of what was cut short as it was."""
        if not self._is_drawn:
            return
        if kind is None:
            whole = units.format_size(max(self.done_bytes, self.total_bytes or 0))
            self._canvas.draw(f"{self.what}: {whole}, done", 1.0)
        self._canvas.clear()
