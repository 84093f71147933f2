"""A client's end of the wire to a machine's monitor, which it starts or finds.

>>> # connection = start(workshop, launch); for kind, stream, payload in connection.receive(): …
"""

from __future__ import annotations

import contextlib
import json
import marshal
import select
import socket
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from containerlab import errors
from containerlab.vm import control, local_socket
from containerlab.vm.guest import wire

if TYPE_CHECKING:
    from containerlab.store.workshop import Workshop
    from containerlab.vm.launch import Launch

__all__ = ["Connection", "Frame", "connect", "start"]

Frame = tuple[int, int, bytes]
"""kind, stream, payload: see `guest/wire` and `control`."""


def start(workshop: Workshop, launch: Launch) -> Connection:
    """Start a machine's monitor, and be its first client, attached to the image's program.

    The monitor ends the machine when this connection ends, if `launch.is_foreground` and DETACH was not said.
    The directory must be there, and its lock free. Raises: Unavailable; InvalidInput for a command and an
    environment that are too long.
    """
    told = marshal.dumps(tuple(launch))
    if len(told) > wire.MOST_BYTES:
        raise errors.InvalidInput("the program's arguments and environment are longer than 1 MB together")
    ours, theirs = socket.socketpair()
    try:
        with theirs:
            worker = workshop.start("containerlab.vm.monitor", [], {"stdin": theirs.fileno()})
        worker.let_go()
        ours.sendall(wire.frame(control.LAUNCH, told))
    except OSError as error:
        ours.close()
        raise errors.Unavailable(f"cannot start a monitor: {error.strerror}", "try again") from error
    return Connection(ours)


def connect(directory: str) -> Connection:
    """Connect to the monitor of the machine in a directory. Raises: Conflict when it does not run."""
    try:
        return Connection(local_socket.connect(directory, control.SOCKET))
    except (FileNotFoundError, ConnectionRefusedError) as error:
        raise errors.Conflict("the machine does not run", "start it first") from error


class Connection:
    """Frames to and from a monitor; for one thread. Close it, or use it as a context manager."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._reader = wire.FrameReader()
        self._inbox: deque[Frame] = deque()
        self._underway: dict[int, int] = {}
        self.is_open = True
        self.state: dict[str, Any] = {}
        """The machine's state as it was last told, see `journal`; after the end, the last one."""

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        self._sock.close()
        self.is_open = False

    def fileno(self) -> int:
        """Return the descriptor that is readable when `receive` has something; frames may wait beside it."""
        return self._sock.fileno()

    def send(self, kind: int, payload: bytes = b"", stream: int = 0) -> None:
        """Send a frame. Raises: Conflict when the monitor has gone."""
        try:
            self._sock.sendall(wire.frame(kind, payload, stream))
        except OSError as error:
            raise errors.Conflict("the machine has ended") from error

    def write(self, data: bytes, stream: int = wire.MAIN) -> None:
        """Send standard input, and wait while the process does not take what was sent before.

        What arrives meanwhile is kept for `receive`. When the machine ends, the rest is dropped.
        """
        while data and self.is_open:
            sent = self.send_some(data, stream)
            data = data[sent:]
            if not sent:
                self._read(None)

    def send_some(self, data: bytes, stream: int = wire.MAIN) -> int:
        """Send as much of standard input as the process may have before it; return how many bytes.

        When the machine ends, they are lost.
        """
        part = data[: wire.STDIN_WINDOW_BYTES - self._underway.get(stream, 0)]
        if part:
            self._underway[stream] = self._underway.get(stream, 0) + len(part)
            with contextlib.suppress(errors.Conflict):
                self.send(wire.STDIN, part, stream)
        return len(part)

    def receive(self, timeout_s: float | None = None) -> list[Frame]:
        """Return the frames that have arrived, at least one; none when time has passed or it has hung up.

        `is_open` tells which. A STATE is noted in `state` too.
        """
        until = None if timeout_s is None else time.monotonic() + timeout_s
        while not self._inbox and self.is_open:
            left_s = None if until is None else max(0.0, until - time.monotonic())
            if not self._read(left_s):
                break
        frames = list(self._inbox)
        self._inbox.clear()
        return frames

    def wait(self) -> dict[str, Any]:
        """Wait until the machine has ended, and return its last state; empty when its monitor was killed."""
        while self.is_open:
            self.receive()
        return self.state if self.state.get("status") == "exited" else {}

    def ask(self, kind: int, payload: bytes = b"", timeout_s: float | None = None) -> bytes:
        """Send a question (PING, MEASURE, STATE, QMP, SNAPSHOT) and return the payload of its answer.

        What arrives before the answer is kept for `receive`. Raises: Conflict when it is UNDONE, or the
        machine has ended; TimedOut.
        """
        answer = {wire.PING: wire.PONG, wire.MEASURE: wire.MEASURED}.get(kind, kind)
        self.send(kind, payload, _ASKING)
        until = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            if (found := self._answer(answer)) is not None:
                return found
            if not self.is_open:
                raise errors.Conflict("the machine has ended")
            left_s = None if until is None else until - time.monotonic()
            if left_s is not None and left_s <= 0:
                raise errors.TimedOut(f"the machine did not answer within {timeout_s:g} s")
            self._read(left_s)

    def _answer(self, answer: int) -> bytes | None:
        for frame in self._inbox:
            kind, stream, payload = frame
            if stream == _ASKING and kind in (answer, control.UNDONE):
                self._inbox.remove(frame)
                if kind == control.UNDONE:
                    raise errors.Conflict(payload.decode(errors="replace"))
                return payload
        return None

    def _read(self, timeout_s: float | None) -> bool:
        """Take in what has arrived; say whether time was left."""
        poll = select.poll()
        poll.register(self._sock, select.POLLIN)
        if not poll.poll(None if timeout_s is None else timeout_s * 1000):
            return False
        try:
            data = self._sock.recv(1 << 16)
        except ConnectionResetError:
            data = b""
        if not data:
            self.is_open = False
        for frame in self._reader.feed(data):
            self._note(frame)
        return True

    def _note(self, frame: Frame) -> None:
        kind, stream, payload = frame
        if kind == wire.TAKEN:
            self._underway[stream] = self._underway.get(stream, 0) - int(payload)
            return
        if kind == control.STATE:
            self.state = json.loads(payload)
        self._inbox.append(frame)


_ASKING = 0xFFFFFF
"""The stream that questions carry."""
