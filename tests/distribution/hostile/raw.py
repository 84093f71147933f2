"""Requests byte by byte, for what no library would send."""

from __future__ import annotations

import contextlib
import http.client
import io
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from tests.registries import Registry

__all__ = ["Line", "dial"]

_PATIENCE_S = 20.0


class Line:
    """A connection that sends what it is told."""

    def __init__(self, sock: socket.socket, authorization: str, host: str) -> None:
        self.sock, self._authorization, self._host = sock, authorization, host
        self._reader = sock.makefile("rb")

    def head(self, request: str, *fields: str, authorized: bool = True) -> bytes:
        """Return a request line with the fields that all requests need, and more."""
        usual = [f"Host: {self._host}"]
        if authorized and self._authorization:
            usual.append(f"Authorization: {self._authorization}")
        return "\r\n".join([f"{request} HTTP/1.1", *usual, *fields, "", ""]).encode("latin-1")

    def send(self, data: bytes) -> None:
        """Send, unless the other side has gone already."""
        try:
            self.sock.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            return

    def answer(self, method: str = "GET") -> tuple[int, dict[str, str], bytes]:
        """Read one answer: status, headers by their names in small letters, body."""
        found = http.client.HTTPResponse(_Again(self._reader), method=method)  # type: ignore[arg-type]
        found.begin()
        body = found.read()
        return found.status, {name.lower(): value for name, value in found.getheaders()}, body

    def is_closed(self) -> bool:
        """Wait for the other side to close, or to send something; tell which."""
        try:
            return self._reader.read(1) == b""
        except ConnectionResetError:
            return True

    def reads_to_the_end(self) -> bool:
        """Wait for the other side to close, whatever it says before."""
        try:
            while self._reader.read(65536):
                pass
        except ConnectionResetError:
            pass
        return True

    def has_ended(self) -> bool:
        """Read what is there; tell whether the other side has closed."""
        try:
            return self.sock.recv(65536) == b""
        except ConnectionResetError:
            return True

    def half_close(self) -> None:
        """Say that nothing more will come."""
        with contextlib.suppress(OSError):  # the other side may have ended it already
            self.sock.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self._reader.close()
        self.sock.close()


class _Again(io.BufferedIOBase):
    """A reader as http.client wants it, that survives its closing."""

    def __init__(self, reader: io.BufferedReader) -> None:
        self._reader = reader

    def makefile(self, mode: str) -> io.BufferedIOBase:
        return self

    def readline(self, size: int | None = -1) -> bytes:
        return self._reader.readline(-1 if size is None else size)

    def read(self, size: int | None = -1) -> bytes:
        return self._reader.read(-1 if size is None else size)

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        return self._reader.readinto(buffer)

    def close(self) -> None:
        """Leave the connection open."""


@contextmanager
def dial(registry: Registry, authorization: str = "") -> Iterator[Line]:
    """Connect; the connection ends with the block."""
    host, _, port = registry.host.rpartition(":")
    sock = socket.create_connection((host, int(port)), timeout=_PATIENCE_S)
    line = Line(sock, authorization, registry.host)
    try:
        yield line
    finally:
        line.close()
