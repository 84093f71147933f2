"""A thread that works on pieces in their order while its maker goes on."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

__all__ = ["SideThread"]

_MOST_WAITING = 4


class SideThread:
    """Hands each piece to `work`, which is to be code that lets go of the interpreter's lock.

    What `work` raises, the maker is told at the next `put` or at the end. Who does not come to `finish` has
    to `abandon` it.
    """

    def __init__(self, work: Callable[[bytes], object]) -> None:
        self._work = work
        self._queue: queue.Queue[bytes | None] = queue.Queue(_MOST_WAITING)
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        """Take pieces after a failure too, so that the maker never waits for room."""
        while (piece := self._queue.get()) is not None:
            if self._failure is None:
                try:
                    self._work(piece)
                except BaseException as error:
                    self._failure = error

    def put(self, piece: bytes) -> None:
        """Add a piece, as soon as there is room. Raises: what the work raised."""
        self._raise()
        self._queue.put(piece)

    def finish(self) -> None:
        """Wait until all is worked on. Raises: what the work raised."""
        self._end()
        self._raise()

    def abandon(self) -> None:
        """Work on nothing more, and wait until the thread has ended."""
        self._failure = self._failure or RuntimeError("abandoned")
        self._end()

    def _end(self) -> None:
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join()

    def _raise(self) -> None:
        if self._failure is not None:
            raise self._failure
