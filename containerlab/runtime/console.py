"""The terminal of a container that `conlab runtime` made: handed to whoever asked, or carried to ours."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import termios
import tty
from collections.abc import Iterator

from containerlab.errors import InvalidInput
from containerlab.linux.files import write_all
from containerlab.linux.tty import set_size

__all__ = ["carry", "send"]


def send(master: int, path: str) -> None:
    """Send the terminal's master over a unix socket. Source: runc, docs/terminals.md.

    Raises: InvalidInput when nobody listens there.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        try:
            sock.connect(path)
        except OSError as error:
            raise InvalidInput(f"cannot send the terminal to {path}: {error.strerror}") from error
        socket.send_fds(sock, [b"/dev/ptmx"], [master])


def carry(master: int, pidfd: int) -> None:
    """Carry bytes between our terminal and the container's until its process has ended."""
    with _raw(0):
        _follow_size(master)
        signal.signal(signal.SIGWINCH, lambda number, frame: _follow_size(master))
        poll = select.poll()
        for fd in (0, master, pidfd):
            poll.register(fd, select.POLLIN)
        while True:
            ready = [fd for fd, _ in poll.poll()]
            if 0 in ready and not _copy(0, master):
                poll.unregister(0)
            if master in ready and not _copy(master, 1):
                return
            if pidfd in ready and master not in ready:
                return


def _copy(source: int, target: int) -> bool:
    """Copy what is there; say whether more may come. A terminal whose last holder is gone answers EIO."""
    try:
        chunk = os.read(source, 65536)
    except OSError:
        return False
    write_all(target, chunk)
    return bool(chunk)


def _follow_size(master: int) -> None:
    with contextlib.suppress(OSError):
        size = os.get_terminal_size(0)
        set_size(master, size.lines, size.columns)


@contextlib.contextmanager
def _raw(fd: int) -> Iterator[None]:
    if not os.isatty(fd):
        yield
        return
    before = termios.tcgetattr(fd)
    tty.setraw(fd)
    try:
        yield
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, before)
