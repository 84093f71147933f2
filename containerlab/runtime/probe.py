"""One health check: a process that has a program run in the container, and tells how that ended.

It stands between the monitor and the program, so that nothing which a container does (a file system that
hangs, output without end) can hold up or fill the monitor.
"""

from __future__ import annotations

import contextlib
import marshal
import os
import select
import signal
import time
from types import FrameType
from typing import NamedTuple, NoReturn

from containerlab.linux import syscalls
from containerlab.runtime.spawn import ChildFailed, Spawned, spawn
from containerlab.runtime.steps import Plan

__all__ = ["MOST_OUTPUT_BYTES", "NO_EXIT_CODE", "Probe", "Result"]

MOST_OUTPUT_BYTES = 4096
"""What is kept of the output of one check, as Docker has it."""
NO_EXIT_CODE = -1
_PIPE_BYTES = 65536
_GRACE_S = 1.0
"""How long a probe may take to end its program before it is killed itself."""


class Result(NamedTuple):
    """How a check ended; exit code -1 when its program did not."""

    exit_code: int
    output: bytes
    started_at: float
    finished_at: float


class Probe:
    """A check under way: `answer` is readable when there is more to know; it is overdue at `overdue_at`.

    container: a pidfd of the container's first process.
    """

    def __init__(self, plan: Plan, container: int, timeout_s: float) -> None:
        self.started_at = time.time()
        self.began_at = time.monotonic()
        self.overdue_at = self.began_at + timeout_s + _GRACE_S
        self._timeout_s = timeout_s
        self._heard = b""
        self.answer, theirs = os.pipe()
        monitor = os.getpid()
        self._pid = os.fork()
        if self._pid == 0:
            _perform(plan, container, theirs, timeout_s, monitor)
        os.close(theirs)

    def hear(self) -> Result | None:
        """Read what the probe says; return the result once it has said all."""
        heard = os.read(self.answer, _PIPE_BYTES)
        self._heard += heard
        return None if heard else self._end()

    def _end(self) -> Result:
        self._close()
        try:
            code, output = marshal.loads(self._heard)
        except (EOFError, ValueError, TypeError):
            code, output = NO_EXIT_CODE, b"the health check was killed"
        return Result(code, output, self.started_at, time.time())

    def give_up(self) -> Result:
        """Kill a probe that does not end in time; what it started dies with it."""
        os.kill(self._pid, signal.SIGKILL)
        self._close()
        return Result(NO_EXIT_CODE, _too_long(self._timeout_s, b""), self.started_at, time.time())

    def _close(self) -> None:
        os.close(self.answer)
        os.waitpid(self._pid, 0)


class _TimedOut(Exception):
    pass


def _too_long(timeout_s: float, output: bytes) -> bytes:
    said = f"the health check took longer than {timeout_s:g} s".encode()
    return said + b": " + output if output else said


def _perform(plan: Plan, container: int, answer: int, timeout_s: float, monitor: int) -> NoReturn:
    try:
        _part(container, answer, monitor)
        signal.signal(signal.SIGALRM, _on_alarm)
        signal.setitimer(signal.ITIMER_REAL, timeout_s)
        os.write(answer, marshal.dumps(_run(plan, container, timeout_s)))
    except BaseException as error:
        os.write(answer, marshal.dumps((NO_EXIT_CODE, f"{type(error).__name__}: {error}".encode())))
    finally:
        os._exit(0)


def _on_alarm(number: int, frame: FrameType | None) -> NoReturn:
    raise _TimedOut


def _part(container: int, answer: int, monitor: int) -> None:
    """Die with the monitor, and hold nothing of it: its lock and its clients must not outlive it here."""
    syscalls.prctl(syscalls.PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != monitor:
        os._exit(0)
    for fd in map(int, os.listdir("/proc/self/fd")):
        if fd > 2 and fd not in (container, answer):
            with contextlib.suppress(OSError):  # that of the listing itself
                os.close(fd)


def _run(plan: Plan, container: int, timeout_s: float) -> tuple[int, bytes]:
    output = bytearray()
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    null = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
    try:
        spawned = spawn(plan, (null, writer, writer, container))
    except ChildFailed as failure:
        return NO_EXIT_CODE, f"the health check cannot be executed: {failure.text}".encode()
    except _TimedOut:
        return NO_EXIT_CODE, _too_long(timeout_s, b"")
    try:
        _read_until_end(spawned, reader, output)
    except _TimedOut:
        _kill(spawned)
        _read(reader, output)
        return NO_EXIT_CODE, _too_long(timeout_s, _cut(output))
    signal.setitimer(signal.ITIMER_REAL, 0)
    _, status = os.waitpid(spawned.pid, 0)
    code = os.waitstatus_to_exitcode(status)
    return (code if code >= 0 else 128 - code), _cut(output)


def _read_until_end(spawned: Spawned, reader: int, output: bytearray) -> None:
    """Keep the beginning of the output; what a program leaves running may print for ever, so no draining."""
    poll = select.poll()
    poll.register(spawned.pidfd, select.POLLIN)
    poll.register(reader, select.POLLIN)
    while True:
        ready = {fd for fd, _ in poll.poll()}
        if reader in ready:
            _read(reader, output)
        if spawned.pidfd in ready:
            _read(reader, output)
            return


def _read(reader: int, output: bytearray) -> None:
    with contextlib.suppress(BlockingIOError):
        chunk = os.read(reader, _PIPE_BYTES)
        output += chunk[: MOST_OUTPUT_BYTES + 1 - len(output)]


def _cut(output: bytearray) -> bytes:
    kept = bytes(output[:MOST_OUTPUT_BYTES])
    return kept + b"..." if len(output) > MOST_OUTPUT_BYTES else kept


def _kill(spawned: Spawned) -> None:
    """Kill the program and what it started in its session's first group: a shell's commands."""
    signal.pidfd_send_signal(spawned.pidfd, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(spawned.pid, signal.SIGKILL)
    os.waitpid(spawned.pid, 0)
