"""Locks of open file descriptions: they go with the descriptor to other processes, and can be asked about.

Unlike flock(2)'s, asking does not take the lock, so that who asks is never in the way of who wants it.
Source: fcntl(2), "Open file description locks (non-POSIX)", Linux 3.15.
"""

from __future__ import annotations

import fcntl
import os

__all__ = ["hold", "is_held"]

# struct flock: short l_type, l_whence; off_t l_start, l_len (0: the whole file); pid_t l_pid, which must be 0
_PADDED_BYTES = 32
_WHOLE_FILE = fcntl.F_WRLCK.to_bytes(2, "little") + bytes(_PADDED_BYTES - 2)


def hold(path: str) -> int:
    """Lock a file, which is made if need be; return the descriptor that holds it, or -1 if another does."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.fcntl(fd, fcntl.F_OFD_SETLK, _WHOLE_FILE)
    except BlockingIOError:
        os.close(fd)
        return -1
    return fd


def is_held(path: str) -> bool:
    """Say whether some descriptor holds the lock of a file."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        answer = fcntl.fcntl(fd, fcntl.F_OFD_GETLK, _WHOLE_FILE)
    finally:
        os.close(fd)
    return int.from_bytes(answer[:2], "little") != fcntl.F_UNLCK
