"""Those who are attached to a container: the one that started it and all that came later."""

from __future__ import annotations

import _socket
import contextlib
import os
import select
from collections.abc import Iterator

from containerlab.runtime import wire

__all__ = ["Clients"]

_CONGESTED_BYTES = 256 * 1024


class _Client:
    def __init__(self, sock: _socket.socket) -> None:
        sock.setblocking(False)
        self.sock = sock
        self.reader = wire.FrameReader()
        self.pending = bytearray()
        self.detached = False
        self.lost = False

    def flush(self) -> None:
        """Send what the socket takes now."""
        try:
            while self.pending:
                del self.pending[: self.sock.send(self.pending)]
        except BlockingIOError:
            pass
        except OSError:
            self.lost = True

    def receive(self) -> Iterator[tuple[int, bytes]]:
        """Yield the frames that have arrived; notice the end."""
        try:
            self.lost = not self.reader.receive(self.sock.recv, 65536)
        except BlockingIOError:
            return
        except OSError:
            self.lost = True
        yield from self.reader.frames()


class Clients:
    """Sends every frame to all; when one is slow, the container waits for it, as with Docker."""

    def __init__(self, first: int, directory: str) -> None:
        self._clients: list[_Client] = []
        self._first = _Client(_unix(first)) if first >= 0 else None
        if self._first:
            self._clients.append(self._first)
        self._listener = _listen(directory) if directory else None
        self.lost_first = False

    @property
    def is_congested(self) -> bool:
        """Whether somebody is so far behind that no more output should be read."""
        return any(len(client.pending) > _CONGESTED_BYTES for client in self._clients)

    @property
    def is_bound(self) -> bool:
        """Whether the container ends with the client that started it, who has not let go."""
        return self._first is not None and not self._first.detached

    def send(self, kind: int, payload: bytes) -> None:
        """Queue a frame for everybody and send what can be sent."""
        data = wire.frame(kind, payload)
        for client in self._clients:
            client.pending += data
            client.flush()
        self._forget_lost()

    def register(self, poll: select.poll, *, accept_input: bool) -> None:
        """Ask a poll for what the clients wait for."""
        if self._listener:
            poll.register(self._listener.fileno(), select.POLLIN)
        for client in self._clients:
            events = (select.POLLIN if accept_input else 0) | (select.POLLOUT if client.pending else 0)
            poll.register(client.sock.fileno(), events)

    def serve(self, ready: set[int]) -> Iterator[tuple[int, bytes]]:
        """Accept, send and receive where a poll said so; yield the frames that came."""
        for client in list(self._clients):
            if client.sock.fileno() not in ready:
                continue
            client.flush()
            for kind, payload in client.receive():
                if kind == wire.DETACH:
                    client.detached = True
                yield kind, payload
        if self._listener and self._listener.fileno() in ready:
            self._accept(self._listener)
        self._forget_lost()

    def _accept(self, listener: _socket.socket) -> None:
        try:
            # The C module's accept, which `socket` wraps only to make an object; no stub knows it.
            fd, _ = listener._accept()  # type: ignore[attr-defined]
        except OSError:
            return
        self._clients.append(_Client(_unix(fd)))

    def _forget_lost(self) -> None:
        for client in [client for client in self._clients if client.lost]:
            self._clients.remove(client)
            client.sock.close()
            if client is self._first and not client.detached:
                self.lost_first = True

    def wait_writable(self) -> None:
        """Wait until nobody is far behind any more."""
        while self.is_congested:
            self._wait()

    def flush(self) -> None:
        """Wait until everything is sent to all that are still there."""
        while any(client.pending for client in self._clients):
            self._wait()

    def close(self) -> None:
        """Hang up on all; what they have still sent is read first, or they would get a reset for it."""
        for client in self._clients:
            with contextlib.suppress(OSError):
                client.sock.shutdown(_socket.SHUT_RD)
                while client.sock.recv(65536):
                    pass
            client.sock.close()

    def _wait(self) -> None:
        poll = select.poll()
        for client in self._clients:
            if client.pending:
                poll.register(client.sock.fileno(), select.POLLOUT)
        poll.poll()
        for client in self._clients:
            client.flush()
        self._forget_lost()


def _unix(fd: int) -> _socket.socket:
    """Make a socket object of a descriptor; what it is told it need not ask the kernel."""
    return _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM, 0, fd)


def _listen(directory: str) -> _socket.socket | None:
    """Listen on the socket `attach` of a container's directory, which only its owner can enter.

    By way of a descriptor, since a socket's path holds 107 bytes and a home may lie deep.
    """
    fd = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    path = f"/proc/self/fd/{fd}/attach"
    sock = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    try:
        sock.bind(path)
        sock.listen(16)
        sock.setblocking(False)
    except OSError:
        sock.close()
        return None
    finally:
        os.close(fd)
    return sock
