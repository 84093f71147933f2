"""Sockets in a directory, by way of a descriptor: a path holds 107 bytes, and a home may lie deep.

Only the standard library.
"""

from __future__ import annotations

import contextlib
import os
import socket

__all__ = ["connect", "listen"]


def listen(directory: int, name: str) -> socket.socket:
    """Listen at a name in an open directory; what was called so before is replaced."""
    path = f"/proc/self/fd/{directory}/{name}"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.bind(path)
        sock.listen(16)
    except OSError:
        sock.close()
        raise
    return sock


def connect(directory: str, name: str) -> socket.socket:
    """Connect to a name in a directory. Raises: OSError."""
    fd = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.connect(f"/proc/self/fd/{fd}/{name}")
    except OSError:
        sock.close()
        raise
    finally:
        os.close(fd)
    return sock
