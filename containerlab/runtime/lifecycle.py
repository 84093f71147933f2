"""The client's side of processes: it starts the launcher, hands it plans, and talks to monitors."""

from __future__ import annotations

import _socket
import contextlib
import marshal
import math
import os
import select
import sys
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from errno import E2BIG
from typing import Any

import msgspec

from containerlab.errors import CannotExecute, CommandNotFound, SetupFailed
from containerlab.runtime import steps, wire
from containerlab.runtime.launch import Launch
from containerlab.runtime.launching import LauncherProcess, start
from containerlab.runtime.steps import Plan

__all__ = ["Connection", "Launcher", "MonitorLost", "attach"]


_OUTPUT = {wire.STDOUT: "stdout", wire.STDERR: "stderr"}
_MOST_LAUNCHERS = 3
"""Tried for one request, when somebody kills them."""
_LONGEST_POLL_S = 3600.0
"""Of one poll, whose timeout is a C int of milliseconds."""


class MonitorLost(SetupFailed):
    """A monitor, or the launcher before it, died without a word."""


class Launcher:
    """A launcher process of this process; started when first needed, safe for several threads."""

    def __init__(self, process: LauncherProcess | None = None) -> None:
        self._lock = threading.Lock()
        _launchers.add(self)
        self._process = process
        self._control = _socket_of(process) if process else None

    def launch(self, launch: Launch, plan: Plan, descriptors: Sequence[int] = ()) -> Connection:
        """Have a monitor made for a plan and return the connection to it."""
        ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC)
        request = os.memfd_create("request")
        try:
            with open(request, "wb", closefd=False) as file:
                file.write(marshal.dumps((steps.plain(launch), steps.pack(plan))))
            self._send([request, theirs.fileno(), *descriptors])
        except BaseException:
            ours.close()  # or an interrupt's traceback would hold it, and a container with it
            raise
        finally:
            os.close(request)
            theirs.close()
        return Connection(ours)

    def _send(self, descriptors: list[int]) -> None:
        with self._lock:
            for _ in range(_MOST_LAUNCHERS):
                try:
                    return self._send_once(descriptors)
                except (BrokenPipeError, ConnectionResetError):
                    # Somebody killed the launcher; the monitors that it made live on without it.
                    self._close()
        raise MonitorLost("the launcher is killed again and again", "is there memory left?")

    def _forget_lock(self) -> None:
        """In a forked child: a thread that it does not have may have held it."""
        self._lock = threading.Lock()

    def _send_once(self, descriptors: list[int]) -> None:
        if self._process is None or self._process.owner != os.getpid():
            self._process = start()
            self._control = _socket_of(self._process)
        assert self._control is not None
        rights = b"".join(descriptor.to_bytes(4, sys.byteorder) for descriptor in descriptors)
        self._control.sendmsg([b"r"], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, rights)])

    def _close(self) -> None:
        if self._control is None or self._process is None:
            return
        self._control.close()
        if self._process.owner == os.getpid():
            with contextlib.suppress(ChildProcessError):
                os.waitpid(self._process.pid, 0)
        self._control = self._process = None

    def close(self) -> None:
        """Let the launcher end; containers go on."""
        with self._lock:
            self._close()


_launchers: weakref.WeakSet[Launcher] = weakref.WeakSet()


def _after_fork() -> None:
    for launcher in _launchers:
        launcher._forget_lock()


os.register_at_fork(after_in_child=_after_fork)


def _socket_of(process: LauncherProcess) -> _socket.socket:
    return _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET, 0, process.control)


class Connection:
    """A client's connection to a monitor."""

    def __init__(self, sock: _socket.socket) -> None:
        self.sock = sock
        self.state: dict[str, Any] | None = None
        """What the monitor last said of the process."""
        self.ended = False
        self._reader = wire.FrameReader()

    def wait_started(self) -> dict[str, Any]:
        """Wait until the process runs, and return its state.

        Raises: SetupFailed, CannotExecute or CommandNotFound; then there is no process. Whatever is raised,
            an interrupt too, closes the connection.
        """
        try:
            self._await_state()
        except BaseException:
            self.close()
            raise
        assert self.state is not None
        return self.state

    def _await_state(self) -> None:
        while self.state is None and not self.ended:
            self._receive()
            self._next_output()
        if self.state is None:
            raise MonitorLost(
                "the monitor died while the container was set up", "see monitor.log in the home"
            )

    def pump(self, sink: Callable[[str, bytes], None], timeout_s: float | None = None) -> bool:
        """Hand output to a sink until the process has ended; say False when the time is over first.

        Raises: SetupFailed and its kinds when the process could not be made.
        """
        until = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            while output := self._next_output():
                # Away before it is handed on: after an interrupt a piece may be missing, none comes twice.
                self._reader.drop()
                sink(*output)
            if self.ended:
                return True
            if not self._is_readable(until):
                return False
            self._receive()

    def _is_readable(self, until: float | None) -> bool:
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        while True:
            left_s = math.inf if until is None else max(0.0, until - time.monotonic())
            if poll.poll(min(left_s, _LONGEST_POLL_S) * 1000):
                return True
            if left_s <= _LONGEST_POLL_S:
                return False

    def _receive(self) -> None:
        try:
            self.ended = not self._reader.receive(self.sock.recv, 1 << 18)
        except ConnectionResetError:  # the monitor was killed with input unread
            self.ended = True

    def _next_output(self) -> tuple[str, bytes] | None:
        """Return the next piece of output, to be dropped by the caller; heed what else was said before it."""
        while frame := self._reader.peek():
            kind, payload = frame
            if kind in _OUTPUT:
                return _OUTPUT[kind], payload
            self._heed(kind, payload)
            self._reader.drop()
        return None

    def _heed(self, kind: int, payload: bytes) -> None:
        if kind in (wire.STARTED, wire.EXITED):
            self.state = msgspec.json.decode(payload)
            self.ended = kind == wire.EXITED
        elif kind == wire.FAILED:
            self.ended = True
            raise _setup_error(**msgspec.json.decode(payload))

    def send(self, kind: int, payload: bytes = b"") -> None:
        """Send a frame; what is sent to one that has ended is lost."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.sock.sendall(wire.frame(kind, payload))

    def close(self) -> None:
        """Hang up."""
        self.sock.close()


def attach(directory: str) -> Connection:
    """Connect to the monitor of a running container.

    Raises: ConnectionRefusedError or FileNotFoundError when there is none.
    """
    sock = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    fd = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        sock.connect(f"/proc/self/fd/{fd}/attach")
    except OSError:
        sock.close()
        raise
    finally:
        os.close(fd)
    return Connection(sock)


def _setup_error(step: str, errno: int, text: str, hint: str = "") -> SetupFailed:
    if step in ("find_program", "execute"):
        kind = CommandNotFound if errno in (2, 20) else CannotExecute
        what = text if step == "find_program" else f"the program: {text}"
        hint = (
            "give fewer or shorter arguments and variables"
            if errno == E2BIG
            else "it must be in the image, executable, and made for this machine"
        )
        return kind(f"cannot execute {what}", hint, step=step, errno=errno)
    what = text if step == "prepare" else f"{step}: {text}"
    told = hint or _HINTS.get(step, "")
    return SetupFailed(f"cannot set up the container: {what}", told, step=step, errno=errno)


_HINTS = {
    "change_directory": "choose a working directory that is in the image",
    "bind": "check that the source is there and may be read",
}
