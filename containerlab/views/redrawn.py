"""Something that is drawn again and again while it changes.

A thread of its own draws, because clocks move when nothing happens too. So work waits for no terminal, and no
frame is drawn that nobody could see.
"""

from __future__ import annotations

import threading
from contextlib import suppress

__all__ = ["Redrawn"]


class Redrawn:
    """Calls `draw` so often, with `lock` held; whoever changes what is drawn holds that too."""

    interval_s = 0.1

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self._ended = threading.Event()
        self._drawing = threading.Thread(target=self._draw_until_ended, name="display", daemon=True)

    def draw(self, is_last: bool) -> None:
        """Show how it is."""
        raise NotImplementedError

    def settle(self) -> None:
        """Get ready for the last picture."""

    def open(self) -> None:
        """Begin to draw."""
        self._drawing.start()

    def close(self) -> None:
        """Draw the last picture, also of what has failed or was interrupted."""
        self._ended.set()
        self._drawing.join()
        with self.lock, suppress(OSError):
            self.settle()
            self.draw(is_last=True)

    def _draw_until_ended(self) -> None:
        with suppress(OSError):  # the terminal has gone: the work goes on
            while not self._ended.wait(self.interval_s):
                with self.lock:
                    self.draw(is_last=False)
