"""Pseudo-terminals."""

from __future__ import annotations

import fcntl
import os
import struct
import termios

__all__ = ["open_pair", "set_controlling", "set_size"]

_TIOCSPTLCK, _TIOCGPTPEER = 0x40045431, 0x5441


def open_pair(ptmx: str, dir_fd: int | None = None) -> tuple[int, int]:
    """Open a new terminal of the devpts instance behind `ptmx` and return (master, slave).

    The slave is asked for by ioctl, so no path inside a container is trusted, and no link is followed: it
    could lead to a device of the host that must not even be opened. Source: ioctl_tty(2).
    """
    flags = os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC
    master = os.open(ptmx, flags | os.O_NOFOLLOW, dir_fd=dir_fd)
    fcntl.ioctl(master, _TIOCSPTLCK, struct.pack("i", 0))
    slave = fcntl.ioctl(master, _TIOCGPTPEER, flags)
    return master, slave


def set_size(fd: int, rows: int, columns: int) -> None:
    """Tell the terminal how large it is; its foreground processes get SIGWINCH."""
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def set_controlling(fd: int) -> None:
    """Make the terminal the controlling one of the calling session leader."""
    fcntl.ioctl(fd, termios.TIOCSCTTY, 0)
