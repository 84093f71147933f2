"""A display that is drawn again and again while a build runs.

Events only move the board; a thread of its own draws, because the clocks of running steps move when nothing
happens too. So a build waits for no terminal, and no frame is drawn that nobody could see.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import suppress

from containerlab.views.build.board import Board
from containerlab.views.build.display import Finding, Step

__all__ = ["Live"]


class Live:
    """Keeps a board, and draws it so often; those that inherit say how. `draw` has the board to itself."""

    interval_s = 0.1

    def __init__(self) -> None:
        self.board = Board()
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._drawing = threading.Thread(target=self._draw_until_ended, name="build display", daemon=True)

    def draw(self, is_last: bool) -> None:
        """Show the board."""
        raise NotImplementedError

    def open(self) -> None:
        self._drawing.start()

    def close(self) -> None:
        """Draw the last picture, also of a build that has failed or was interrupted."""
        self._ended.set()
        self._drawing.join()
        with self._lock, suppress(OSError):
            self.board.close()
            self.draw(is_last=True)

    def _draw_until_ended(self) -> None:
        with suppress(OSError):  # the terminal has gone: the build goes on
            while not self._ended.wait(self.interval_s):
                with self._lock:
                    self.draw(is_last=False)

    def planned(self, steps: Sequence[Step]) -> None:
        with self._lock:
            self.board.planned(steps)

    def started(self, step: int, time_s: float) -> None:
        with self._lock:
            self.board.begin(step, time_s)

    def output(self, step: int, stream: str, data: bytes, time_s: float) -> None:
        with self._lock:
            self.board.rows[step].log.feed(stream, data)

    def finished(self, step: int, status: str, time_s: float, error: str) -> None:
        with self._lock:
            self.board.end(step, status, time_s, error)

    def warned(self, finding: Finding) -> None:
        with self._lock:
            self.board.findings.append(finding)
