"""System calls that a filter hands to another process, which answers in the kernel's place.

Source: seccomp_unotify(2); linux/seccomp.h.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import struct
from typing import NamedTuple

__all__ = ["Call", "answer", "is_waiting", "receive", "switch_at_once"]

_NOTIFICATION = struct.Struct("=QIIiIQ6Q")
"""struct seccomp_notif: id, pid, flags, then struct seccomp_data: nr, arch, instruction_pointer, args."""
_RESPONSE = struct.Struct("=QqiI")
"""struct seccomp_notif_resp: id, val, error, flags."""
_RECV, _SEND, _ID_VALID, _SET_FLAGS = 0xC0502100, 0xC0182101, 0x40082102, 0x40082104
_SYNC_WAKE_UP = 1


class Call(NamedTuple):
    """A system call whose thread waits for an answer; `pid` is the thread's, as this process sees it."""

    id: int
    pid: int
    arch: int
    number: int
    args: tuple[int, ...]


def receive(listener: int) -> Call | None:
    """Return the next call, waiting for one; None if its thread has just been killed."""
    buffer = bytearray(_NOTIFICATION.size)
    try:
        fcntl.ioctl(listener, _RECV, buffer)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.EINTR):
            raise
        return None
    number, pid, _, nr, arch, _, *args = _NOTIFICATION.unpack(buffer)
    return Call(number, pid, arch, nr, tuple(args))


def switch_at_once(listener: int) -> None:
    """Let a call and its answer each run on at once on the other's processor, as there is only one of them.

    Before Linux 6.6 they wait for the scheduler.
    """
    with contextlib.suppress(OSError):
        fcntl.ioctl(listener, _SET_FLAGS, _SYNC_WAKE_UP)


def is_waiting(listener: int, call: Call) -> bool:
    """Say whether the thread still waits, so that what was read by its pid until now was its own."""
    try:
        fcntl.ioctl(listener, _ID_VALID, struct.pack("=Q", call.id))
    except FileNotFoundError:
        return False
    return True


def answer(listener: int, call: Call, code: int) -> None:
    """Let a call return 0, or fail with an error number; no matter if its thread is gone."""
    with contextlib.suppress(FileNotFoundError):
        fcntl.ioctl(listener, _SEND, _RESPONSE.pack(call.id, 0, -code, 0))
