"""Peers for clients: an HTTP server that answers what a test says, and a TCP proxy that cuts connections.

    with Peer(lambda request: respond(200, b"hi")) as peer:
        peer.host, peer.requests

Both live on threads of the test's process and speak over real sockets.
"""

from __future__ import annotations

import contextlib
import io
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple, Self

from tests.certificates import Pair

__all__ = ["CUT", "Cutter", "Handler", "Peer", "Request", "Tunnel", "respond"]


class Request(NamedTuple):
    """What a client sent."""

    method: str
    target: str
    headers: Mapping[str, str]
    """By lower-case names."""
    body: bytes

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]


Handler = Callable[[Request], bytes | Iterable[bytes]]
CUT = b""
"""The answer that is none: the connection is reset."""


def respond(
    status: int, body: bytes = b"", headers: Mapping[str, str] | Iterable[tuple[str, str]] = ()
) -> bytes:
    """Write an answer with its length."""
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(body)}"]
    lines += [
        f"{name}: {value}" for name, value in (headers.items() if isinstance(headers, Mapping) else headers)
    ]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


class _Listener:
    """Accepts connections, a thread for each; all have ended when its block has."""

    def __init__(self, port: int = 0) -> None:
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port = int(self._listener.getsockname()[1])
        self.host = f"localhost:{self.port}"
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def _start(self, run: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=run, args=arguments)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._start(self._guarded, connection)

    def _guarded(self, connection: socket.socket) -> None:
        with self._kept(connection), contextlib.suppress(OSError, ValueError, EOFError):
            self._serve(connection)

    @contextlib.contextmanager
    def _kept(self, connection: socket.socket) -> Iterator[None]:
        with self._lock:
            self._open.add(connection)
        try:
            yield
        finally:
            with self._lock:
                self._open.discard(connection)
            connection.close()

    def _serve(self, connection: socket.socket) -> None:
        raise NotImplementedError


class Peer(_Listener):
    """An HTTP server; `requests` has all that came."""

    def __init__(self, handler: Handler, pair: Pair | None = None, clients: str = "", port: int = 0) -> None:
        super().__init__(port)
        self.handler, self.requests = handler, list[Request]()
        self._context = _context(pair, clients) if pair else None
        self.url = f"{'https' if pair else 'http'}://{self.host}"

    def _serve(self, connection: socket.socket) -> None:
        if self._context:
            connection.settimeout(20)
            with self._context.wrap_socket(connection, server_side=True) as wrapped, self._kept(wrapped):
                self._converse(wrapped)
        else:
            self._converse(connection)

    def _converse(self, connection: socket.socket) -> None:
        with connection.makefile("rb") as file:
            while request := _read(file):
                if request == _TLS:
                    connection.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
                    return
                self.requests.append(request)
                answer = self.handler(request)
                if answer == CUT:
                    reset(connection)
                    return
                for piece in [answer] if isinstance(answer, bytes) else answer:
                    connection.sendall(piece)
                if not isinstance(answer, bytes):
                    return  # what comes in pieces may end anywhere


def _context(pair: Pair, clients: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    if clients:
        context.load_verify_locations(clients)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


_TLS = Request("", "", {}, b"")
"""A client that says hello in TLS where there is none."""


def _read(file: object) -> Request | None:
    readline, read = file.readline, file.read  # type: ignore[attr-defined]
    if file.peek(1)[:1] == b"\x16":  # type: ignore[attr-defined]  # has no end of line
        return _TLS
    line = readline().decode("latin-1").split()
    if len(line) != 3 or not line[2].startswith("HTTP/"):
        return None
    headers = {}
    while pair := readline().decode("latin-1").strip():
        name, _, value = pair.partition(":")
        headers[name.strip().lower()] = value.strip()
    if headers.get("transfer-encoding") == "chunked":
        body = b""
        while size := int(readline(), 16):
            body += read(size)
            readline()
        readline()
    else:
        body = read(int(headers.get("content-length", "0")))
    return Request(line[0], line[1], headers, body)


def reset(connection: socket.socket) -> None:
    """Close so that the other side sees a reset, not an end."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RD)  # another thread may wait for more, and would keep it open
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


class Tunnel(_Listener):
    """A proxy for CONNECT: whatever host is asked for, it leads to a port here; `asked` has the requests."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self._target, self.asked = port, list[Request]()

    def _serve(self, connection: socket.socket) -> None:
        with connection.makefile("rb", 0) as file:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += file.read(1) or b"\r\n\r\n"
        request = _read(io.BufferedReader(io.BytesIO(head)))
        assert request
        self.asked.append(request)
        with socket.create_connection(("127.0.0.1", self._target)) as target, self._kept(target):
            connection.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
            self._start(self._forward, connection, target)
            while data := target.recv(1 << 16):
                connection.sendall(data)

    def _forward(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)


class Cutter(_Listener):
    """A TCP proxy to a port here; the first connections are cut after so many bytes of the answer.

    cuts: bytes to let through, a number for each connection; those after the last are left alone.
    """

    def __init__(self, port: int, cuts: Iterable[int]) -> None:
        super().__init__()
        self._target, self._cuts = port, list(cuts)
        self.count = 0
        """Connections so far."""

    def _serve(self, connection: socket.socket) -> None:
        with self._lock:
            left = self._cuts.pop(0) if self._cuts else None
            self.count += 1
        with socket.create_connection(("127.0.0.1", self._target)) as target, self._kept(target):
            self._start(self._forward, connection, target)
            while data := target.recv(1 << 16):
                if left is not None and len(data) >= left:
                    connection.sendall(data[:left])
                    reset(connection)
                    return
                left = None if left is None else left - len(data)
                connection.sendall(data)
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_WR)

    def _forward(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
