"""A session: somebody attached to a process in a virtual machine, by way of its monitor."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import signal
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec

from containerlab.backends.base import ExitStatus, Sink, Usage
from containerlab.backends.machine import Boot, MachineInfo
from containerlab.errors import (
    CannotExecute,
    CommandNotFound,
    Conflict,
    LabError,
    NotFound,
    SetupFailed,
    TimedOut,
)
from containerlab.vm import control
from containerlab.vm.connection import Connection, Frame
from containerlab.vm.ending import PANICKED
from containerlab.vm.guest import wire
from containerlab.vm.records import MachineState

__all__ = ["ExecSession", "ProgramSession", "boot_of", "refuse_failed", "status_of"]

_OUTPUT = {wire.STDOUT: "stdout", wire.STDERR: "stderr"}
_LOOK_AGAIN_S = 0.05
_ANSWER_LIMIT_S = 60.0
_LOST = 137


class _Session:
    """What both kinds have: output out, input in. One thread pumps, another may write."""

    def __init__(self, info: MachineInfo, connection: Connection, stream: int) -> None:
        self.info = info
        self._connection = connection
        self._stream = stream
        self._inbox: deque[Frame] = deque()
        self._sending = threading.Lock()
        self._arrived = threading.Event()

    def pump(self, sink: Sink, timeout_s: float | None = None) -> ExitStatus | None:
        """Hand output on until the process has ended."""
        until = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            while self._inbox:
                # Away before it is handed on: after an interrupt a piece may be missing, none comes twice.
                kind, stream, payload = self._inbox.popleft()
                if stream == self._stream and kind in _OUTPUT:
                    sink(_OUTPUT[kind], payload)
                else:
                    self._heed(kind, stream, payload)
            if (status := self._status()) is not None:
                self._connection.close()
                return status
            if not self._receive(until):
                return None

    def _receive(self, until: float | None) -> bool:
        """Take in what arrives; say whether something did, or can no more."""
        left_s = None if until is None else max(0.0, until - time.monotonic())
        self._inbox.extend(self._connection.receive(left_s))
        self._arrived.set()
        return bool(self._inbox) or not self._connection.is_open

    def _heed(self, kind: int, stream: int, payload: bytes) -> None:
        """Take what is no output."""

    def _status(self) -> ExitStatus | None:
        """Say how it ended, if it has."""
        raise NotImplementedError

    def write(self, data: bytes) -> None:
        """Send to standard input, and wait while the process does not take what was sent before."""
        while data and self._connection.is_open:
            self._arrived.clear()
            with self._sending:
                sent = self._connection.send_some(data, self._stream)
            data = data[sent:]
            if not sent:
                self._arrived.wait(_LOOK_AGAIN_S)

    def close_stdin(self) -> None:
        """End standard input."""
        self._send(wire.CLOSE_STDIN)

    def resize(self, rows: int, columns: int) -> None:
        """Tell the terminal's size."""
        self._send(wire.RESIZE, rows.to_bytes(2, "big") + columns.to_bytes(2, "big"))

    def signal(self, number: int) -> None:
        """Send the process a signal."""
        self._send(wire.SIGNAL, bytes([number]))

    def _send(self, kind: int, payload: bytes = b"") -> None:
        with self._sending:
            self._connection.send(kind, payload, self._stream)


class ProgramSession(_Session):
    """The image's own program: its end is the machine's."""

    def __init__(self, info: MachineInfo, connection: Connection, lost: Callable[[], ExitStatus]) -> None:
        super().__init__(info, connection, wire.MAIN)
        self._lost = lost

    @property
    def boot(self) -> Boot:
        """How the machine came up."""
        return boot_of(self.info.boot, state_of(self._connection.state))

    def wait_started(self) -> None:
        """Wait until the program runs, or has ended already.

        Raises: SetupFailed and its kinds; whatever is raised, an interrupt too, closes the connection.
        """
        try:
            while not self._is_started() and self._connection.is_open:
                self._inbox.extend(self._connection.receive())
            refuse_failed(self.info.name, state_of(self._connection.state))
            self._refuse_lost()
        except BaseException:
            self._connection.close()
            raise

    def _refuse_lost(self) -> None:
        """Raise SetupFailed when the monitor fell, or was killed, before the program ran."""
        if self._is_started() or self._connection.state.get("status") == "exited":
            return
        why = "its monitor was killed"
        with contextlib.suppress(NotFound):  # with --rm another command may have removed it already
            why = self._lost().error or why
        raise SetupFailed(f"machine {self.info.name}: {why}", "start it again", step="boot")

    def _is_started(self) -> bool:
        return any(stream == self._stream and kind == wire.STARTED for kind, stream, _ in self._inbox) or (
            self._connection.state.get("status") in ("running", "paused")
        )

    def _status(self) -> ExitStatus | None:
        if self._connection.is_open or self._inbox:
            return None
        state = state_of(self._connection.state)
        if state.status == "exited":
            refuse_failed(self.info.name, state)
            return status_of(state)
        return self._lost()

    def signal(self, number: int) -> None:
        """Send the program a signal; KILL takes the power away."""
        if number == signal.SIGKILL:
            self._send(control.KILL)
        else:
            super().signal(number)

    def detach(self) -> None:
        """Let go; the machine goes on."""
        with self._sending:
            self._connection.send(control.DETACH)
        self._connection.close()


class ExecSession(_Session):
    """A program beside the image's own."""

    def __init__(self, info: MachineInfo, connection: Connection, stream: int) -> None:
        super().__init__(info, connection, stream)
        self._started_at = time.time()
        self._ended: ExitStatus | None = None
        self._is_started = False

    def wait_started(self, payload: bytes) -> None:
        """Have it started. Raises: SetupFailed and its kinds, Conflict, TimedOut."""
        until = time.monotonic() + _ANSWER_LIMIT_S
        try:
            self._send(wire.EXEC, payload)
            while not self._is_started and all(kind != wire.EXITED for kind, _, _ in self._inbox):
                if not self._receive(until):
                    raise TimedOut(f"machine {self.info.name} did not answer within {_ANSWER_LIMIT_S:g} s")
                kept = [frame for frame in self._inbox if not self._is_told(*frame)]
                self._inbox = deque(kept)
                if not self._connection.is_open and not kept:
                    raise Conflict(f"machine {self.info.name} has ended")
        except BaseException:
            self._connection.close()
            raise

    def _is_told(self, kind: int, stream: int, payload: bytes) -> bool:
        """Heed a frame, unless it is output or the end, which `pump` takes."""
        if kind in _OUTPUT or kind == wire.EXITED:
            return False
        self._heed(kind, stream, payload)
        return True

    def _heed(self, kind: int, stream: int, payload: bytes) -> None:
        if stream != self._stream:
            return
        if kind == wire.STARTED:
            self._is_started = True
        elif kind == wire.EXITED:
            self._ended = _exec_status(dict(wire.unpaired(payload)), self._started_at)
        elif kind == wire.FAILED:
            raise _not_run(dict(wire.unpaired(payload)))
        elif kind == control.UNDONE:
            raise Conflict(f"machine {self.info.name}: {payload.decode(errors='replace')}")

    def _status(self) -> ExitStatus | None:
        if self._ended is None and not self._connection.is_open and not self._inbox:
            return ExitStatus(exit_code=_LOST)
        return self._ended

    def detach(self) -> None:
        """Let go; the process goes on."""
        self._send(control.DETACH)
        self._connection.close()


def state_of(told: dict[str, Any]) -> MachineState:
    """Return a state as a monitor told it."""
    return msgspec.convert(told, MachineState)


def boot_of(before: Boot, state: MachineState) -> Boot:
    """Return how a machine came up, as far as its state tells."""
    return msgspec.structs.replace(
        before,
        kernel=state.guest.get("release", before.kernel),
        boot_s=state.boot_s,
        ready_s=state.ready_s,
    )


def status_of(state: MachineState) -> ExitStatus:
    """Return how a machine's program ended."""
    peak = state.usage.get("guest_peak_bytes")
    return ExitStatus(
        exit_code=125 if state.exit_code is None else state.exit_code,
        oom_killed=state.oom_killed,
        started_at=state.started_at,
        finished_at=state.finished_at,
        usage=Usage(
            cpu_s=state.usage.get("guest_cpu_s", 0.0),
            peak_memory_bytes=None if peak is None else int(peak),
            source="guest",
        ),
        error=state.error,
    )


def refuse_failed(name: str, state: MachineState) -> None:
    """Raise SetupFailed or one of its kinds for a machine whose program never ran.

    Raises: CommandNotFound, CannotExecute, SetupFailed.
    """
    if state.status != "exited" or not state.error:
        return
    if state.exit_code in _KINDS:
        what = state.error.removeprefix("program ")
        raise _KINDS[state.exit_code](f"cannot execute {what}", _IN_IMAGE, step="execute")
    if unknown := _UNKNOWN_USER.match(state.error):
        raise SetupFailed(f"the image has no user {unknown[1]!r} in /etc/passwd", _NO_USER, step="user")
    hint = state.hint
    if state.console and ("ready" not in state.times or state.error.startswith(PANICKED)):
        hint = "\n".join(filter(None, (hint, "the last of its console:", state.console)))
    raise SetupFailed(f"machine {name}: {state.error}", hint, step="boot")


_KINDS: dict[int | None, type[SetupFailed]] = {127: CommandNotFound, 126: CannotExecute}
_IN_IMAGE = "it must be in the image, executable, and made for this machine"
_UNKNOWN_USER = re.compile(r"user (.*): No such file or directory")
_NO_USER = "use a number, or add the user"


def _not_run(said: dict[str, str]) -> LabError:
    number = int(said.get("errno", 0))
    text = f"{said.get('text', '')}: {os.strerror(number)}" if number else said.get("text", "")
    if said.get("step") == "user" and number == errno.ENOENT:
        return SetupFailed(
            f"the image has no user {said.get('text')!r} in /etc/passwd", _NO_USER, step="user"
        )
    if said.get("step") != "program":
        return SetupFailed(f"cannot set the program up: {said.get('step', '')} {text}", errno=number)
    kind = CommandNotFound if number in (errno.ENOENT, errno.ENOTDIR) else CannotExecute
    return kind(f"cannot execute {text}", _IN_IMAGE, step="execute", errno=number)


def _exec_status(said: dict[str, str], started_at: float) -> ExitStatus:
    return ExitStatus(
        exit_code=int(said.get("code", _LOST)),
        oom_killed=said.get("oom_killed") == "1",
        started_at=started_at,
        finished_at=time.time(),
        usage=Usage(
            cpu_s=int(said.get("cpu_usec", 0)) / 1e6,
            peak_memory_bytes=int(said.get("peak_rss_bytes", 0)) or None,
            source="guest",
        ),
    )
