"""From the events of a transfer to the display that suits the face."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from containerlab.distribution.transfer.progress import Begun, Blob, Event, Note

if TYPE_CHECKING:
    from containerlab.distribution.transfer.progress import Watcher
    from containerlab.views.transfer.board import Display

__all__ = ["watching"]


@contextmanager
def watching(face: str, *, quiet: bool = False) -> Iterator[Watcher]:
    """Give what takes the events of a transfer, and show them until the end of the block.

    A terminal's and a log's are standard error's: what comes of it stands on standard output.
    """
    display = _display("" if quiet else face)
    display.open()

    def watch(event: Event) -> None:
        match event:
            case Blob(digest, size, status, done, detail):
                display.blob(digest, size, status, done, detail)
            case Begun(what, repository, tag):
                display.begun(what, repository, tag)
            case Note(text):
                display.note(text)

    try:
        yield watch
    finally:
        display.close()


def _display(face: str) -> Display:
    from containerlab.views.transfer.lines import LinesDisplay, NoDisplay

    if face == "notebook":
        from containerlab.views.transfer.notebook import NotebookDisplay

        return NotebookDisplay()
    if face != "terminal":
        return NoDisplay()
    if sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        from containerlab.views.transfer.terminal import TerminalDisplay

        return TerminalDisplay(sys.stderr)
    return LinesDisplay(sys.stderr)
