"""Processes that end with the monitor that started them. Only the standard library."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Mapping, Sequence
from typing import NamedTuple, NoReturn

from containerlab.linux import syscalls
from containerlab.linux.files import write_all

__all__ = ["Child", "Ended", "start"]


class Ended(NamedTuple):
    """How a child was: its exit code (negative: the signal), its CPU time, the most memory it had."""

    code: int
    cpu_s: float
    peak_bytes: int


class Child(NamedTuple):
    """A process; its pidfd is the caller's."""

    pid: int
    pidfd: int

    def kill(self) -> None:
        """Kill it."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)

    def collect(self) -> Ended:
        """Wait for its end and say how it was."""
        _, status, used = os.wait4(self.pid, 0)
        os.close(self.pidfd)
        code = os.waitstatus_to_exitcode(status)
        return Ended(code, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024)


def start(
    words: Sequence[str], inherited: Mapping[str, int], complaints: int, environment: Mapping[str, str]
) -> Child:
    """Start a program, without input; what it prints goes to `complaints`.

    inherited: what stands in braces in the words → the descriptor that it gets, and whose number it reads.
    """
    parent = os.getpid()
    known = [_filled(word, inherited) for word in words]
    pid = os.fork()
    if pid == 0:
        _become(known, inherited, complaints, environment, parent)
    return Child(pid, os.pidfd_open(pid))


def _filled(word: str, inherited: Mapping[str, int]) -> str:
    for name, fd in inherited.items():
        word = word.replace("{" + name + "}", f"/proc/self/fd/{fd}" if name == "directory" else str(fd))
    return word


def _become(
    words: Sequence[str],
    inherited: Mapping[str, int],
    complaints: int,
    environment: Mapping[str, str],
    parent: int,
) -> NoReturn:
    try:
        # The signal comes when the thread that forked ends: the monitor has one only. prctl(2).
        syscalls.prctl(syscalls.PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        os.dup2(os.open("/dev/null", os.O_RDWR), 0)
        os.dup2(complaints, 1)
        os.dup2(complaints, 2)
        for fd in inherited.values():
            os.set_inheritable(fd, True)
        os.execve(words[0], list(words), dict(environment))
    except OSError as error:
        write_all(2, f"{words[0]}: {error.strerror}\n".encode())
    finally:
        os._exit(127)
