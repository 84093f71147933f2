"""A Python that a container cannot overwrite through /proc/PID/exe (CVE-2019-5736)."""

from __future__ import annotations

import os
import sys

from containerlab.linux import syscalls

__all__ = ["open_python"]

_MOUNT_ATTR_RDONLY = 1
_F_ADD_SEALS = 1033
_SEAL_ALL = 0x1 | 0x2 | 0x4 | 0x8  # F_SEAL_SEAL, _SHRINK, _GROW, _WRITE


def open_python() -> int:
    """Return a descriptor to execute Python from: nobody who gets hold of the running file can write it.

    For root it lies on a read-only mount of its own. For a user who may write the interpreter (a venv, a
    conda in the home) it is a sealed copy in memory. For all others it is the file itself.
    Source: LWN 781013 "A container-confinement breakout"; open_tree(2); memfd_create(2).
    """
    path = os.path.realpath(sys.executable)
    try:
        return _on_readonly_mount(path)
    except OSError:
        return _sealed_copy(path) if os.access(path, os.W_OK) else os.open(path, os.O_PATH | os.O_CLOEXEC)


def _on_readonly_mount(path: str) -> int:
    fd = syscalls.open_tree(syscalls.AT_FDCWD, path, syscalls.OPEN_TREE_CLONE)
    try:
        syscalls.mount_setattr(fd, "", syscalls.AT_EMPTY_PATH, set=_MOUNT_ATTR_RDONLY)
    except OSError:
        os.close(fd)
        raise
    return fd


def _sealed_copy(path: str) -> int:
    import fcntl

    fd = os.memfd_create("python", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    with open(path, "rb") as source:
        os.sendfile(fd, source.fileno(), 0, os.fstat(source.fileno()).st_size)
    fcntl.fcntl(fd, _F_ADD_SEALS, _SEAL_ALL)
    return fd
