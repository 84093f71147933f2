"""The root directory of a process, which need not be the root of its mount namespace.

`setns` leads to the root of the namespace and so out of a chroot, of this process's own as of another's.
Source: setns(2), mount_namespaces(7); fs/namespace.c, mntns_install.
"""

from __future__ import annotations

import errno
import os
import select
from collections.abc import Iterator
from contextlib import contextmanager

from containerlab.linux import syscalls
from containerlab.linux.namespaces import CLONE_NEWNS

__all__ = ["enter", "go_to_namespace", "open_of", "pid_of", "require_alive", "set_propagation", "visiting"]

_DIRECTORY = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC


def open_of(pidfd: int) -> int:
    """Open the root directory of a process.

    Raises: ProcessLookupError when it has ended.
    """
    root = os.open(f"/proc/{pid_of(pidfd)}/root", _DIRECTORY)
    try:
        require_alive(pidfd)
    except BaseException:
        os.close(root)
        raise
    return root


def require_alive(pidfd: int) -> None:
    """Make sure that a process has not ended, so that its pid has meant nobody else until now.

    Raises: ProcessLookupError.
    """
    poll = select.poll()  # a signal could not be sent from another PID namespace
    poll.register(pidfd, select.POLLIN)
    if poll.poll(0):
        raise ProcessLookupError(errno.ESRCH, os.strerror(errno.ESRCH))


def pid_of(pidfd: int) -> int:
    """Return the pid of a process.

    Raises: ProcessLookupError when it has ended.
    """
    with open(f"/proc/self/fdinfo/{pidfd}", "rb") as file:
        pid = next(int(line[4:]) for line in file if line.startswith(b"Pid:"))
    if pid <= 0:
        raise ProcessLookupError(errno.ESRCH, os.strerror(errno.ESRCH))
    return pid


def enter(root: int) -> None:
    """Make an open directory the root and the working directory."""
    os.fchdir(root)
    os.chroot(".")


def go_to_namespace() -> None:
    """Make the root of the mount namespace the root and the working directory: leave a chroot."""
    pidfd = os.pidfd_open(os.getpid())
    try:
        syscalls.setns(pidfd, CLONE_NEWNS)
    finally:
        os.close(pidfd)


@contextmanager
def visiting(pidfd: int) -> Iterator[None]:
    """Be in the mount namespace of a process for a while, as who may make copies of its mounts."""
    root = os.open("/", _DIRECTORY)
    own = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    try:
        syscalls.setns(pidfd, CLONE_NEWNS)
        yield
        syscalls.setns(own, CLONE_NEWNS)
        enter(root)
    finally:
        os.close(own)
        os.close(root)


def set_propagation(flags: int) -> None:
    """Change how mount events spread in the whole mount namespace, also above a chroot."""
    own = os.open("/", _DIRECTORY)
    try:
        go_to_namespace()
        syscalls.mount("", "/", "", flags)
        enter(own)
    finally:
        os.close(own)
