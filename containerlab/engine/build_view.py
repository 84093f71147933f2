"""From the events of a build to the display that was asked for."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from containerlab.build.record import Event, Finished, Output, Planned, Started, Warned
from containerlab.errors import InvalidInput, nearest

if TYPE_CHECKING:
    from containerlab.build.record import Watcher
    from containerlab.views.build.display import Display

__all__ = ["watcher", "watching"]

_PROGRESS = ("auto", "plain", "quiet", "rawjson", "tty")
"""How a build can be shown; "notebook" is what auto means to a notebook."""


@contextmanager
def watching(
    progress: str, *, in_notebook: bool = False, dockerfile: str = "Dockerfile"
) -> Iterator[Watcher]:
    """Give what takes the events of a build, and show them until the end of the block.

    A terminal and a log are standard error's, as Docker has it; a notebook's lines go into the cell.

    Raises: InvalidInput for an unknown word, and for tty where there is no terminal.
    """
    display = _display(progress, in_notebook, dockerfile)
    display.open()
    try:
        yield watcher(display)
    finally:
        display.close()


def watcher(display: Display) -> Watcher:
    """Return a function that tells a display each event."""

    def watch(event: Event) -> None:
        match event:
            case Output(step, stream, data, time_s):
                display.output(step, stream, data, time_s)
            case Started(step, time_s):
                display.started(step, time_s)
            case Finished(step, status, time_s, error):
                display.finished(step, status, time_s, error)
            case Planned(steps):
                display.planned(steps)
            case Warned(warning):
                display.warned(warning)

    return watch


def _display(progress: str, in_notebook: bool, dockerfile: str) -> Display:
    from containerlab.views.build.lines import PlainDisplay, QuietDisplay

    stream = sys.stdout if in_notebook else sys.stderr
    if progress in ("auto", "tty"):
        return _live_display(progress, in_notebook, stream)
    if progress == "plain":
        return PlainDisplay(stream)
    if progress == "quiet":
        return QuietDisplay()
    if progress == "rawjson":
        from containerlab.views.build.rawjson import RawJsonDisplay

        return RawJsonDisplay(stream, dockerfile)
    raise InvalidInput(f"no such progress: {progress}", nearest(progress, _PROGRESS) or ", ".join(_PROGRESS))


def _live_display(progress: str, in_notebook: bool, stream: TextIO) -> Display:
    if in_notebook:
        from containerlab.views.build.notebook import NotebookDisplay

        return NotebookDisplay()
    if stream.isatty() and os.environ.get("TERM") != "dumb":
        from containerlab.views.build.terminal import TerminalDisplay

        return TerminalDisplay(stream)
    if progress == "tty":
        raise InvalidInput("--progress tty needs a terminal", "give --progress plain, or auto")
    from containerlab.views.build.lines import PlainDisplay

    return PlainDisplay(stream)
