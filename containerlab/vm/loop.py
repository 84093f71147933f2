"""One poll for all that a monitor waits for, and sockets whose other ends may be slow.

Only the standard library.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import time
from collections.abc import Callable
from typing import NamedTuple

__all__ = ["Loop", "Peer"]

_PIECE_BYTES = 1 << 16
_MOST_PENDING_BYTES = 1 << 18
_MOST_STORED_BYTES = 1 << 30


class _Deadline(NamedTuple):
    at: float
    call: Callable[[], None]


class Loop:
    """Calls whoever waits for a descriptor, or for a moment."""

    def __init__(self) -> None:
        self._poll = select.poll()
        self._calls: dict[int, Callable[[int], None]] = {}
        self._deadlines: dict[str, _Deadline] = {}

    def watch(self, fd: int, call: Callable[[int], None], events: int = select.POLLIN) -> None:
        """Call with the events whenever there are some; the end of a peer is one always."""
        self._poll.register(fd, events)
        self._calls[fd] = call

    def forget(self, fd: int) -> None:
        """Watch a descriptor no more."""
        if self._calls.pop(fd, None) is not None:
            self._poll.unregister(fd)

    def at(self, name: str, after_s: float, call: Callable[[], None]) -> None:
        """Call once when time has passed; the same name again replaces what was to be called."""
        self._deadlines[name] = _Deadline(time.monotonic() + after_s, call)

    def cancel(self, name: str) -> None:
        """Do not call."""
        self._deadlines.pop(name, None)

    def turn(self) -> None:
        """Wait for something and call those concerned."""
        for fd, events in self._poll.poll(self._patience_ms()):
            call = self._calls.get(fd)
            if call is not None:  # one that was called before may have closed it
                call(events)
        now = time.monotonic()
        for name, deadline in list(self._deadlines.items()):
            if deadline.at <= now and self._deadlines.pop(name, None) is not None:
                deadline.call()

    def _patience_ms(self) -> float | None:
        if not self._deadlines:
            return None
        first = min(deadline.at for deadline in self._deadlines.values())
        return max(0.0, first - time.monotonic()) * 1000 + 0.5


class Peer:
    """A socket of the loop: what comes is handed on, what goes waits until the other end takes it.

    What waits beyond a limit waits in an unlinked file in `spool`, so that a slow client neither holds up
    others, nor loses anything, nor takes memory. Who lets 1 GiB wait is hung up on: it may never read.
    """

    def __init__(
        self, loop: Loop, sock: socket.socket, take: Callable[[bytes], None], end: Callable[[], None]
    ) -> None:
        sock.setblocking(False)
        self.sock = sock
        self.spool = ""
        self.is_open = True
        self.is_heard = True
        self._loop = loop
        self._take = take
        self._end = end
        self._pending = bytearray()
        self._is_deaf = False
        self._file = -1
        self._read_at = self._written_at = 0
        self._watch()

    @property
    def pending_bytes(self) -> int:
        """How much still waits."""
        return len(self._pending) + self._written_at - self._read_at

    def send(self, data: bytes) -> None:
        """Send, now or later."""
        if not self.is_open or self._is_deaf:
            return
        if self._written_at or (self.spool and len(self._pending) + len(data) > _MOST_PENDING_BYTES):
            self._store(data)
            if not self._pending:
                self._flush()
            return
        was_pending = bool(self._pending)
        self._pending += data
        if not was_pending:
            self._flush()

    def hear(self, is_heard: bool) -> None:
        """Take, or do not take for now, what it sends."""
        if self.is_heard != is_heard:
            self.is_heard = is_heard
            self._watch()

    def flush(self, limit_s: float) -> None:
        """Wait until all is sent, but not for ever."""
        until = time.monotonic() + limit_s
        poll = select.poll()
        poll.register(self.sock, select.POLLOUT)
        while self.is_open and self.pending_bytes and (left_s := until - time.monotonic()) > 0:
            poll.poll(left_s * 1000)
            self._flush()

    def close(self) -> None:
        """Hang up."""
        if not self.is_open:
            return
        self.is_open = False
        self._loop.forget(self.sock.fileno())
        with contextlib.suppress(OSError):
            # What it has still sent is read first, or it would get a reset instead of the end.
            self.sock.shutdown(socket.SHUT_RD)
            while self.sock.recv(_PIECE_BYTES):
                pass
        self.sock.close()
        if self._file >= 0:
            os.close(self._file)

    def _watch(self) -> None:
        if self.is_open:
            events = (select.POLLIN if self.is_heard else 0) | (select.POLLOUT if self._pending else 0)
            self._loop.watch(self.sock.fileno(), self._serve, events)

    def _serve(self, events: int) -> None:
        if events & select.POLLOUT:
            self._flush()
        if events & ~select.POLLOUT and self.is_open:
            self.receive()

    def receive(self) -> None:
        """Take what has arrived."""
        try:
            data = self.sock.recv(_PIECE_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self._take(data)
        else:
            self._lose()

    def _lose(self) -> None:
        if self.is_open:
            self.close()
            self._end()

    def _flush(self) -> None:
        try:
            while self._pending or self._refill():
                del self._pending[: self.sock.send(self._pending)]
        except BlockingIOError:
            pass
        except OSError:
            # What it said before it hung up is still to be read: only then it is gone.
            self._is_deaf = True
            self._forget_pending()
        self._watch()

    # --- what waits in a file -------------------------------------------------------------------

    def _store(self, data: bytes) -> None:
        if self._file < 0:
            self._file = _unnamed_file(self.spool)
        if self._written_at - self._read_at + len(data) > _MOST_STORED_BYTES:
            self._lose()
            return
        try:
            self._written_at += os.pwrite(self._file, data, self._written_at)
        except OSError:  # no room on the disk: it is too slow to be served
            self._lose()

    def _forget_pending(self) -> None:
        self._pending.clear()
        self._read_at = self._written_at = 0

    def _refill(self) -> bool:
        if self._read_at == self._written_at:
            return False
        piece = os.pread(self._file, _PIECE_BYTES, self._read_at)
        self._pending += piece
        self._read_at += len(piece)
        if self._read_at == self._written_at:
            os.ftruncate(self._file, 0)
            self._read_at = self._written_at = 0
        return True


def _unnamed_file(directory: str) -> int:
    """Open a file that nobody else sees; in memory where the directory has gone, or cannot have one."""
    try:
        return os.open(directory, os.O_RDWR | os.O_TMPFILE | os.O_CLOEXEC, 0o600)
    except OSError:
        return os.memfd_create("spool", os.MFD_CLOEXEC)
