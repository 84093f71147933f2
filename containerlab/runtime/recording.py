"""A monitor's side of recorded ownership: it holds the listener, and forks a recorder when a call comes.

Most containers change no owner, and then there is no further process.
"""

from __future__ import annotations

import gc
import os
import select
import signal
from typing import NoReturn

from containerlab.linux import roots, syscalls
from containerlab.linux.namespaces import CLONE_NEWUSER
from containerlab.linux.procfs import rename

__all__ = ["Recording"]


class Recording:
    """The listener of one process and of all that descend from it.

    first: a pidfd of the container's first process. table: the file for what attributes cannot say.
    """

    def __init__(self, listener: int, first: int, table: str) -> None:
        self._listener = listener
        self._table = table
        self._pid = 0
        self._namespace, self._mount = _look(first)

    @property
    def awaited(self) -> int:
        """The descriptor to wait for, -1 once there is a recorder."""
        return self._listener

    def serve(self) -> None:
        """Fork the recorder if a call has come; from then on only it has the listener.

        So that nobody waits for an answer if it dies.
        """
        event = _event(self._listener)
        if event & select.POLLIN:
            self._begin()
        elif event & select.POLLHUP:
            self._close()

    def _begin(self) -> None:
        self._pid = os.fork()
        if self._pid == 0:
            _become_recorder(self._listener, self._namespace, self._mount, self._table)
        self._close()

    def end(self, *, everybody: bool) -> None:
        """End the recorder, or leave it to those who outlive the process that was waited for.

        everybody: whether nobody does.
        """
        if self._listener >= 0 and not everybody and not _event(self._listener) & select.POLLHUP:
            self._begin()
        self._close()
        if self._pid and everybody:
            os.kill(self._pid, signal.SIGKILL)
        if self._pid:
            os.waitpid(self._pid, 0 if everybody else os.WNOHANG)

    def _close(self) -> None:
        for fd in (self._listener, self._namespace):
            if fd >= 0:
                os.close(fd)
        self._listener = self._namespace = -1


def _look(first: int) -> tuple[int, int]:
    """Return the user namespace of a process and the mount of its root; -1 and 0 if it has ended already."""
    try:
        root = roots.open_of(first)
        mount = syscalls.statx(root).mount
        os.close(root)
        return os.open(f"/proc/{roots.pid_of(first)}/ns/user", os.O_RDONLY | os.O_CLOEXEC), mount
    except OSError:
        return -1, 0


def _event(listener: int) -> int:
    """Return what there is to say: POLLIN for a call, POLLHUP if nobody uses the filter any more."""
    poll = select.poll()
    poll.register(listener, select.POLLIN)
    return sum(event for _, event in poll.poll(0))


def _become_recorder(listener: int, namespace: int, mount: int, table: str) -> NoReturn:
    """Hold nothing of the monitor, its lock above all; be in the user namespace, but not be traced there."""
    try:
        from containerlab.runtime.recorder import Recorder  # before a root is changed

        gc.disable()
        rename(b"conlab-recorder")
        recorder = Recorder(listener, mount, table)
        _close_all_but({0, 1, 2, namespace, *recorder.descriptors})
        os.chdir("/proc")
        syscalls.prctl(syscalls.PR_SET_DUMPABLE, 0)
        if namespace >= 0:
            syscalls.setns(namespace, CLONE_NEWUSER)
        recorder.serve()
    finally:
        os._exit(0)


def _close_all_but(kept: set[int]) -> None:
    first = 0
    for fd in sorted(fd for fd in kept if fd >= 0):
        if first < fd:
            syscalls.close_range(first, fd - 1)
        first = fd + 1
    syscalls.close_range(first)
