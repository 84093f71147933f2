"""The first output of a program that an engine of ours is attached to."""

from __future__ import annotations

from contextlib import suppress
from time import monotonic

from containerlab.backends.base import Session
from containerlab.errors import ContainerFailed, TimedOut

__all__ = ["Attached"]


class _FirstByte(Exception):
    """Ends the waiting for output at its first piece."""

    def __init__(self, at: float) -> None:
        self.at = at


class Attached:
    """A session of which only the first output is of interest."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._first_at: float | None = None

    def first_output_at(self, timeout_s: float) -> float:
        """Wait for the first byte of standard output; return when it came.

        Raises: TimedOut; ContainerFailed when the program has ended without any.
        """
        if self._first_at is None:
            self._first_at = self._wait(timeout_s)
        return self._first_at

    def _wait(self, timeout_s: float) -> float:
        said: list[bytes] = []

        def sink(stream: str, chunk: bytes) -> None:
            if stream == "stdout":
                raise _FirstByte(monotonic())
            said.append(chunk)

        try:
            status = self._session.pump(sink, timeout_s)
        except _FirstByte as first:
            return first.at
        name = self._session.info.name
        if status is None:
            raise TimedOut(f"{name} has not printed anything within {timeout_s:g} s")
        words = b"".join(said)[-300:].decode(errors="replace") or status.error
        raise ContainerFailed(f"{name} has ended without output: {words}")

    def close(self) -> None:
        """Let go of the program."""
        with suppress(OSError):  # its end has been read, and it is closed
            self._session.detach()
