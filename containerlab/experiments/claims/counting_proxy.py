"""A way to a server of this machine that counts the bytes that pass, both ways, headers included."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Self

__all__ = ["CountingProxy"]

_PIECE_BYTES = 1 << 16


class CountingProxy(socketserver.ThreadingTCPServer):
    """Listens at a free port of the loopback until its block ends."""

    daemon_threads = True
    block_on_close = True

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", 0), _Passage)
        self.target = ("127.0.0.1", port)
        self.passed_bytes = 0
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True)

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def count(self, passed_bytes: int) -> None:
        """Count what passed."""
        with self._lock:
            self.passed_bytes += passed_bytes

    def keep(self, connection: socket.socket) -> None:
        """Remember a connection, which is cut when the block ends."""
        with self._lock:
            self._open.add(connection)

    def forget(self, connection: socket.socket) -> None:
        """Forget a connection that has ended."""
        with self._lock:
            self._open.discard(connection)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.shutdown()
        with self._lock:
            for connection in self._open:
                _end(connection)
        self.server_close()
        self._thread.join()


class _Passage(socketserver.BaseRequestHandler):
    """One connection; each way has a thread."""

    server: CountingProxy

    def handle(self) -> None:
        near: socket.socket = self.request
        self.server.keep(near)
        with contextlib.suppress(OSError), socket.create_connection(self.server.target) as far:
            there = threading.Thread(target=self._pass, args=(near, far), daemon=True)
            there.start()
            self._pass(far, near)
            there.join()
        self.server.forget(near)

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        """Hand on until one side has no more; then the other is told, so that both ways end."""
        with contextlib.suppress(OSError):
            while piece := source.recv(_PIECE_BYTES):
                self.server.count(len(piece))
                target.sendall(piece)
        _end(target)


def _end(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
