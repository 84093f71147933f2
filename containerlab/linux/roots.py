"""The root directory of a process, which need not be the root of its mount namespace.

`setns` leads to the root of the namespace and so out of a chroot, of this process's own as of another's.
Source: setns(2), mount_namespaces(7); fs/namespace.c, mntns_install.
"""

from __future__ import annotations

import os
import signal

from containerlab.linux import syscalls
from containerlab.linux.namespaces import CLONE_NEWNS

__all__ = ["enter", "go_to_namespace", "open_of", "set_propagation"]

_DIRECTORY = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC


def open_of(pidfd: int) -> int:
    """Open the root directory of a process.

    Raises: ProcessLookupError when it has ended.
    """
    root = os.open(f"/proc/{_pid(pidfd)}/root", _DIRECTORY)
    try:
        # It still is there, so its number meant nobody else a moment ago.
        signal.pidfd_send_signal(pidfd, 0)
    except BaseException:
        os.close(root)
        raise
    return root


def _pid(pidfd: int) -> int:
    with open(f"/proc/self/fdinfo/{pidfd}", "rb") as file:
        pid = next(int(line[4:]) for line in file if line.startswith(b"Pid:"))
    if pid <= 0:
        raise ProcessLookupError(3, "the process has ended")
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


def set_propagation(flags: int) -> None:
    """Change how mount events spread in the whole mount namespace, also above a chroot."""
    own = os.open("/", _DIRECTORY)
    try:
        go_to_namespace()
        syscalls.mount("", "/", "", flags)
        enter(own)
    finally:
        os.close(own)
