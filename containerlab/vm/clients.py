"""Those who talk to a machine through its monitor: whose stream is which, and who is told what.

Only the standard library.
"""

from __future__ import annotations

import os
import socket
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from containerlab.vm import control, local_socket
from containerlab.vm.guest import wire
from containerlab.vm.loop import Loop, Peer

__all__ = ["Client", "Clients", "Streams"]


class Client:
    """Somebody at the other end of a socket."""

    def __init__(
        self,
        loop: Loop,
        sock: socket.socket,
        reader: wire.FrameReader,
        take: Callable[[Client, int, int, bytes], None],
        end: Callable[[Client], None],
    ) -> None:
        self.is_attached = False
        self.is_bound = False
        """The machine ends when this client does."""
        self._reader = reader
        self._take = take
        self._end = end
        self.peer = Peer(loop, sock, self._feed, self._ended)

    def send(self, kind: int, payload: bytes = b"", stream: int = 0) -> None:
        """Send a frame."""
        self.peer.send(wire.frame(kind, payload, stream))

    def _feed(self, data: bytes) -> None:
        try:
            for kind, stream, payload in self._reader.feed(data):
                self._take(self, kind, stream, payload)
        except ValueError:  # it does not speak as we do
            self.peer.close()
            self._ended()

    def _ended(self) -> None:
        self._end(self)


class Clients:
    """All of them, and the socket where more may come."""

    def __init__(
        self,
        loop: Loop,
        directory: str,
        take: Callable[[Client, int, int, bytes], None],
        end: Callable[[Client], None],
    ) -> None:
        self._loop = loop
        self._directory = directory
        self._take = take
        self._end = end
        self.all: list[Client] = []
        fd = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self._listener = local_socket.listen(fd, control.SOCKET)
        finally:
            os.close(fd)
        self._listener.setblocking(False)
        loop.watch(self._listener.fileno(), self._accept)

    def add(self, sock: socket.socket, reader: wire.FrameReader | None = None) -> Client:
        """Take somebody in; a reader may have the beginning of a frame of his already."""
        client = Client(self._loop, sock, reader or wire.FrameReader(), self._take, self._forget)
        client.peer.spool = self._directory
        self.all.append(client)
        return client

    def tell_attached(self, kind: int, payload: bytes, stream: int = 0) -> None:
        """Send all that are attached a frame."""
        for client in list(self.all):
            if client.is_attached:
                client.send(kind, payload, stream)

    def say_goodbye(self, payload: bytes, limit_s: float) -> None:
        """Send all the last state and hang up; those who do not take it in time go without."""
        self._loop.forget(self._listener.fileno())
        self._listener.close()
        for client in list(self.all):
            client.send(control.STATE, payload)
            client.peer.flush(limit_s)
            client.peer.close()

    def _accept(self, events: int) -> None:
        try:
            sock, _ = self._listener.accept()
        except OSError:
            return
        self.add(sock)

    def _forget(self, client: Client) -> None:
        if client in self.all:
            self.all.remove(client)
            self._end(client)


class _Owner(NamedTuple):
    client: Client
    stream: int


class Streams:
    """Which of the guest's streams is which client's, and how much input is on its way.

    The image's program is everybody's.
    """

    def __init__(self) -> None:
        self._owners: dict[int, _Owner] = {}
        self._numbers: dict[_Owner, int] = {}
        self._underway: dict[int, deque[tuple[Client, int]]] = {}
        self._last = wire.MAIN
        self.pings: deque[_Owner] = deque()
        self.measures: deque[_Owner] = deque()

    def add(self, client: Client, stream: int) -> int:
        """Return a number of the guest for a new stream of a client."""
        self._last += 1
        owner = _Owner(client, stream)
        self._owners[self._last] = owner
        self._numbers[owner] = self._last
        return self._last

    def number(self, client: Client, stream: int) -> int:
        """Return the guest's number of a client's stream; 0 if there is none."""
        return wire.MAIN if stream == wire.MAIN else self._numbers.get(_Owner(client, stream), 0)

    def owner(self, number: int) -> _Owner | None:
        """Return whose stream it is."""
        return self._owners.get(number)

    def drop(self, number: int) -> None:
        """Forget a stream that has ended, or that nobody wants any more."""
        if owner := self._owners.pop(number, None):
            self._numbers.pop(owner, None)
        for client, _ in self._underway.pop(number, ()):
            client.peer.hear(True)

    def of(self, client: Client) -> list[int]:
        """Return the streams that a client made."""
        return [number for number, owner in self._owners.items() if owner.client is client]

    def note_question(self, client: Client, stream: int, *, is_ping: bool) -> None:
        """Remember who has asked; the guest answers in the order of the questions."""
        (self.pings if is_ping else self.measures).append(_Owner(client, stream))

    def note_input(self, number: int, client: Client, count: int) -> None:
        """Count input that was sent; whoever sends more than the window is not heard for a while."""
        underway = self._underway.setdefault(number, deque())
        underway.append((client, count))
        if sum(each for _, each in underway) > wire.STDIN_WINDOW_BYTES:
            client.peer.hear(False)

    def note_taken(self, number: int, count: int) -> list[tuple[Client, int]]:
        """Return whose input it was that a process has taken, and how much of each."""
        underway, found = self._underway.get(number, deque()), []
        while underway and count:
            client, size = underway.popleft()
            part = min(size, count)
            count -= part
            found.append((client, part))
            if part < size:
                underway.appendleft((client, size - part))
            client.peer.hear(True)
        return found
