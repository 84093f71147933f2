"""Network interfaces of the own network namespace."""

from __future__ import annotations

import _socket  # the C module alone: `socket` would load four more before every fork
import fcntl
import struct

__all__ = ["bring_up_loopback"]

_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1


def bring_up_loopback() -> None:
    """Set `lo` up, which gives it 127.0.0.1 and ::1. Source: netdevice(7)."""
    with _closing(_socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM | _socket.SOCK_CLOEXEC)) as sock:
        request = struct.pack("16sh22x", b"lo", 0)
        flags = struct.unpack("16sh22x", fcntl.ioctl(sock.fileno(), _SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(sock.fileno(), _SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", flags | _IFF_UP))


class _closing:
    def __init__(self, sock: _socket.socket) -> None:
        self.sock = sock

    def __enter__(self) -> _socket.socket:
        return self.sock

    def __exit__(self, *_: object) -> None:
        self.sock.close()
