"""Stand between a session and whoever watches it: output out, input in, until the program ends.

The calling thread pumps output; a second one hands input on, because a program that does not read would block
it, and output must flow meanwhile. That thread never prints.
"""

from __future__ import annotations

import io
import os
import select
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from containerlab.backends.base import ExitStatus, Session, Sink
from containerlab.errors import LabError, TimedOut

__all__ = ["Feeder", "Input", "Keyboard", "chosen", "follow"]

_POLL_S = 0.1
"""How soon a key that detaches, or a new size of the terminal, is acted upon."""


class Input(Protocol):
    """Where standard input comes from."""

    def read_some(self) -> bytes:
        """Wait for input; empty at its end."""


class Detached(Exception):
    """The user let go of the container with the detach keys."""


class _Given:
    """Input that is there already, or comes from a file object."""

    def __init__(self, source: bytes | str | io.BufferedIOBase) -> None:
        text = source.encode() if isinstance(source, str) else source
        self._file = io.BytesIO(text) if isinstance(text, bytes) else text

    def read_some(self) -> bytes:
        read = getattr(self._file, "read1", self._file.read)
        return bytes(read(65536))


class Keyboard:
    """Standard input of this process, watched for the detach keys.

    A read can be ended from outside by `stop`, so that its thread never outlives the session.
    """

    def __init__(self, fd: int = 0, detach_keys: bytes = b"\x10\x11") -> None:
        self._fd = fd
        self._keys = detach_keys
        self._held = b""
        self._stop, self._stopper = os.pipe()
        self.is_detached = False

    def read_some(self) -> bytes:
        while True:
            ready, _, _ = select.select([self._fd, self._stop], [], [])
            data = b"" if self._stop in ready else os.read(self._fd, 65536)
            if not data:
                return b""
            passed = self._without_keys(data)
            if self.is_detached or passed:
                return passed

    def _without_keys(self, data: bytes) -> bytes:
        """Hold back a beginning of the detach keys until it is clear what it is."""
        if not self._keys:
            return data
        data = self._held + data
        before, found, _ = data.partition(self._keys)
        if found:
            self.is_detached = True
            return before
        length = next((n for n in range(len(self._keys) - 1, 0, -1) if data.endswith(self._keys[:n])), 0)
        self._held = data[len(data) - length :]
        return data[: len(data) - length]

    def stop(self) -> None:
        """End a read that waits, in whichever thread."""
        if self._stopper >= 0:
            os.close(self._stopper)
            self._stopper = -1

    def close(self) -> None:
        """Give back what the reading needed, when nobody reads any more; again does nothing."""
        self.stop()
        if self._stop >= 0:
            os.close(self._stop)
            self._stop = -1


class Feeder:
    """Hands input to a session in a thread of its own."""

    def __init__(self, session: Session, source: Input) -> None:
        self._session = session
        self._source = source
        self._thread = threading.Thread(target=self._feed, name="containerlab-stdin", daemon=True)
        self._thread.start()

    def _feed(self) -> None:
        # The program may end, or close its input, at any time: then there is nothing left to hand on.
        try:
            while data := self._source.read_some():
                self._session.write(data)
            if not getattr(self._source, "is_detached", False):
                self._session.close_stdin()
        except (OSError, ValueError, LabError):
            return

    def close(self) -> None:
        """Stop reading, where the source can be stopped."""
        if isinstance(self._source, Keyboard):
            self._source.stop()
            self._thread.join()
            self._source.close()


def source_of(given: bytes | str | io.BufferedIOBase | Keyboard | None) -> Input | None:
    """Make input of what a caller gave."""
    return given if given is None or isinstance(given, Keyboard) else _Given(given)


@contextmanager
def fed(session: Session, source: Input | None) -> Iterator[None]:
    """Hand input on while the block runs."""
    if source is None:
        yield
        return
    feeder = Feeder(session, source)
    try:
        yield
    finally:
        feeder.close()


def follow(
    session: Session, sink: Sink, source: Input | None = None, timeout_s: float | None = None
) -> ExitStatus:
    """Hand output on until the program has ended and all of it has arrived.

    Raises: TimedOut, Detached; KeyboardInterrupt at any time, and the session is still there.
    """
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    watched = isinstance(source, Keyboard)
    with fed(session, source):
        while True:
            left_s = None if deadline is None else max(0.0, deadline - time.monotonic())
            status = session.pump(sink, min(_POLL_S, left_s or _POLL_S) if watched else left_s)
            if status is not None:
                return status
            if isinstance(source, Keyboard) and source.is_detached:
                session.detach()
                raise Detached
            if deadline is not None and time.monotonic() >= deadline:
                raise TimedOut(f"still running after {timeout_s:g} s")


def chosen(sink: Sink | None, streams: Sequence[str]) -> Sink | None:
    """Let through what --attach names; without it everything. The result has all of it either way."""
    if sink is None or not streams:
        return sink
    return lambda stream, chunk: sink(stream, chunk) if stream in streams else None
