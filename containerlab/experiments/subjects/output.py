"""The end of a pipe at which a program's output arrives, and when its first byte did."""

from __future__ import annotations

import os
import select
import time

from containerlab.errors import ContainerFailed, TimedOut

__all__ = ["Output"]


class Output:
    """A pipe; `writer` is handed to who writes, and closed here by `handed`."""

    def __init__(self) -> None:
        self._reader, self.writer = os.pipe2(os.O_CLOEXEC)
        self._first_at: float | None = None

    def handed(self) -> None:
        """Close our copy of the writer's end: so the end of the output is seen."""
        if self.writer >= 0:
            os.close(self.writer)
            self.writer = -1

    def first_at(self, timeout_s: float, failure: str) -> float:
        """Wait for the first byte; return when it came.

        failure: what to say when the output ends without one. Raises: ContainerFailed, TimedOut.
        """
        if self._first_at is None:
            if not self._is_readable(time.monotonic() + timeout_s):
                raise TimedOut(f"{failure} within {timeout_s:g} s")
            at = time.monotonic()
            if not os.read(self._reader, 1 << 16):
                raise ContainerFailed(f"{failure}: it has ended")
            self._first_at = at
        return self._first_at

    def rest(self, timeout_s: float, failure: str) -> bytes:
        """Wait for the end of the output and return what came. Raises: TimedOut."""
        until, content = time.monotonic() + timeout_s, b""
        while self._is_readable(until):
            piece = os.read(self._reader, 1 << 16)
            if not piece:
                return content
            content += piece
        raise TimedOut(f"{failure} within {timeout_s:g} s")

    def _is_readable(self, until: float) -> bool:
        poll = select.poll()
        poll.register(self._reader, select.POLLIN)
        return bool(poll.poll(max(0.0, until - time.monotonic()) * 1000))

    def close(self) -> None:
        """Close both ends."""
        self.handed()
        if self._reader >= 0:
            os.close(self._reader)
            self._reader = -1
