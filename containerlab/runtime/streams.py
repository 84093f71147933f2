"""The bytes between a process, its log and its clients."""

from __future__ import annotations

import contextlib
import errno
import math
import os
import select
import signal
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from containerlab.linux import tty
from containerlab.runtime import wire
from containerlab.runtime.clients import Clients
from containerlab.runtime.logfile import LogWriter
from containerlab.runtime.spawn import Spawned

if TYPE_CHECKING:
    from containerlab.runtime.health import Health
    from containerlab.runtime.recording import Recording

__all__ = ["Stdio", "Watch"]

_LONGEST_WAIT_S = 3600.0
"""Of one poll, whose timeout is a C int of milliseconds."""


class Stdio(NamedTuple):
    """Both ends of a container's standard streams."""

    stdin: int
    stdout: int
    stderr: int
    theirs: tuple[int, ...]

    @classmethod
    def make(cls, terminal: bool, stdin_open: bool) -> Stdio:
        """Make pipes, or for a terminal nothing yet."""
        if terminal:
            null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
            return cls(-1, -1, -1, (null, null, null))
        stdin_r, stdin_w = os.pipe() if stdin_open else (os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC), -1)
        stdout_r, stdout_w = os.pipe()
        stderr_r, stderr_w = os.pipe()
        return cls(stdin_w, stdout_r, stderr_r, (stdin_r, stdout_w, stderr_w))

    def close_theirs(self) -> None:
        """Close the ends that only the container holds from now on."""
        for fd in set(self.theirs):
            os.close(fd)

    def with_terminal(self, master: int) -> Stdio:
        """Return the streams of a terminal: its master reads and writes."""
        return self if master < 0 else Stdio(master, master, -1, ())


class Watch:
    """The loop that carries bytes between a process, its log and its clients, in bounded memory."""

    def __init__(self, spawned: Spawned, stdio: Stdio, clients: Clients, log: LogWriter | None) -> None:
        self.spawned = spawned
        self.stdio = stdio
        self.clients = clients
        self.log = log
        self.outputs = {fd: stream for fd, stream in ((stdio.stdout, 1), (stdio.stderr, 2)) if fd >= 0}
        self.stdin = stdio.stdin
        self.input = bytearray()
        self.kill_at = 0.0
        self.closing = False
        self.on_orphaned: Callable[[], None] | None = None
        self.on_detached: Callable[[], None] | None = None
        self.on_ended: Callable[[], object] | None = None
        self.health: Health | None = None
        self.recording: Recording | None = None
        for fd in (*self.outputs, *((self.stdin,) if self.stdin >= 0 else ())):
            os.set_blocking(fd, False)

    def run(self) -> None:
        """Go on until the process has ended; then drain."""
        ended = False
        self._check_orphan()  # who was lost before all this is in no poll
        while not ended or (self.outputs and not self._drained()):
            ready = self._poll(ended)
            if not ended and self.spawned.pidfd in ready:
                ended = True
                self._end()
            elif self.health:
                self.health.serve(ready)
            if self.recording and self.recording.awaited in ready:
                self.recording.serve()
            for fd in [fd for fd in ready if fd in self.outputs]:
                self._read(fd)
            for kind, payload in self.clients.serve(ready):
                self._obey(kind, payload)
            self._write_input()
            self._check_orphan()
        for fd in set(self.outputs) | ({self.stdin} if self.stdin >= 0 else set()):
            os.close(fd)

    def _end(self) -> None:
        if self.health:
            self.health.end()
            self.health = None
        if self.on_ended:
            self.on_ended()

    def _drained(self) -> bool:
        """Read what is left without waiting: a process outside may hold the pipe for ever."""
        for fd in list(self.outputs):
            while self._read(fd):
                self.clients.wait_writable()
        return True

    def _poll(self, ended: bool) -> set[int]:
        poll = select.poll()
        if not ended:
            poll.register(self.spawned.pidfd, select.POLLIN)
        if not self.clients.is_congested:
            for fd in self.outputs:
                poll.register(fd, select.POLLIN)
        if self.input and self.stdin >= 0 and self.stdin not in self.outputs:
            poll.register(self.stdin, select.POLLOUT)
        self.clients.register(poll, accept_input=len(self.input) < 65536)
        if self.health and self.health.answer >= 0:
            poll.register(self.health.answer, select.POLLIN)
        if self.recording and self.recording.awaited >= 0:
            poll.register(self.recording.awaited, select.POLLIN)
        return {fd for fd, _ in poll.poll(self._timeout_ms())}

    def _timeout_ms(self) -> float | None:
        moments = [
            *((self.kill_at,) if self.kill_at else ()),
            *((self.health.due_at,) if self.health else ()),
        ]
        left_s = min(moments, default=math.inf) - time.monotonic()
        return None if left_s == math.inf else max(0.0, min(left_s, _LONGEST_WAIT_S)) * 1000

    def _read(self, fd: int) -> bool:
        try:
            chunk = os.read(fd, 65536)
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno != errno.EIO:  # a terminal whose last holder is gone
                raise
            chunk = b""
        if not chunk:
            del self.outputs[fd]
            if fd != self.stdin:
                os.close(fd)
            return False
        stream = self.outputs[fd]
        if self.log:
            self.log.write(stream, chunk)
        self.clients.send(stream, chunk)
        return True

    def _obey(self, kind: int, payload: bytes) -> None:
        if kind == wire.STDIN:
            self.input += payload
        elif kind == wire.CLOSE_STDIN:
            self._end_input()
        elif kind == wire.DETACH and self.on_detached:
            self.on_detached()
        elif kind == wire.RESIZE and self.stdio.stdin >= 0 and self.stdio.stdin == self.stdio.stdout:
            self._resize(int.from_bytes(payload[:2], "big"), int.from_bytes(payload[2:4], "big"))

    def _resize(self, rows: int, columns: int) -> None:
        tty.set_size(self.stdio.stdin, rows, columns)

    def _end_input(self) -> None:
        self._write_input()
        if self.stdin >= 0 and self.stdin not in self.outputs:
            if self.input:
                self.closing = True
                return
            os.close(self.stdin)
            self.stdin = -1

    def _write_input(self) -> None:
        if not self.input or self.stdin < 0:
            self.input.clear()
            return
        try:
            written = os.write(self.stdin, self.input)
        except BlockingIOError:
            return
        except OSError as error:
            if error.errno not in (errno.EPIPE, errno.EIO):
                raise
            written = len(self.input)
        del self.input[:written]
        if self.closing and not self.input:
            os.close(self.stdin)
            self.stdin = -1

    def _check_orphan(self) -> None:
        if self.clients.lost_first and self.on_orphaned and not self.kill_at:
            self.on_orphaned()
        elif self.kill_at and time.monotonic() >= self.kill_at:
            self.kill_at = time.monotonic() + 3600
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.spawned.pidfd, signal.SIGKILL)
