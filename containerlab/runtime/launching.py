"""Starting the launcher process: little to import, so that it can begin before anything else is loaded."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # of C, and without the enumerations of `signal`
import _socket
import fcntl
import os
import sys
from typing import NamedTuple

from containerlab.linux.sealed import open_python

__all__ = ["LauncherProcess", "start"]

_PROGRAM = (
    "import gc, sys; gc.disable(); sys.path.append(sys.argv[1]); "
    "from containerlab.runtime.launcher import main; main()"
)


class LauncherProcess(NamedTuple):
    """A launcher; `owner` is the pid of the process that started it and talks to it over `control`."""

    pid: int
    control: int
    owner: int


def start() -> LauncherProcess:
    """Start a launcher, in a session of its own; it ends when its control socket is closed."""
    ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET | _socket.SOCK_CLOEXEC)
    # Where no action below puts another file before its own turn, or before it is executed.
    control = _moved(theirs.detach())
    python = _moved(open_python())
    null = _moved(os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC))
    try:
        pid = os.posix_spawn(
            f"/proc/self/fd/{python}",
            [sys.executable, "-I", "-S", "-c", _PROGRAM, _package_root()],
            {"PATH": os.environ.get("PATH", os.defpath)},
            file_actions=[
                *((os.POSIX_SPAWN_DUP2, null, target) for target in (0, 1, 2)),
                (os.POSIX_SPAWN_DUP2, control, 3),
            ],
            setsid=True,
            # What is ignored (nohup) or blocked here would be so in every container.
            setsigdef=_signal.valid_signals(),
            setsigmask=(),
        )
    finally:
        os.close(python)
        os.close(null)
        os.close(control)
    return LauncherProcess(pid, _moved(ours.detach()), os.getpid())


def _moved(fd: int) -> int:
    """Return a descriptor, or in its place a copy that is not one of those the launcher will have."""
    if fd > 3:
        return fd
    try:
        return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 4)
    finally:
        os.close(fd)


def _package_root() -> str:
    return __file__.removesuffix("/containerlab/runtime/launching.py")
