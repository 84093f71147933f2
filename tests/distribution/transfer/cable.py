"""A cable between a client and a registry that can be cut, or held, in the middle of what it carries.

with cable.laid(registry.host) as wire:
    wire.cut_after(down=100_000)
    pull(f"{wire.host}/lab/app")
"""

from __future__ import annotations

import selectors
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

__all__ = ["Cable", "laid"]

_PIECE = 16 << 10
_SMALL_BUFFER = 32 << 10
"""So that what one side has sent is not far ahead of what the other has got."""


class Cable:
    """Counts what goes each way: `down` to the client, `up` to the registry."""

    def __init__(self, target: tuple[str, int], listener: socket.socket) -> None:
        self.host = f"localhost:{listener.getsockname()[1]}"
        self.moved = {"down": 0, "up": 0}
        self.cuts = 0
        self.held = threading.Event()
        """Is set when the cable holds back what goes down."""
        self._target, self._listener = target, listener
        self._limits: dict[str, int] = {}
        self._times = 0
        self._hold_after: int | None = None
        self._released = threading.Event()
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._open: set[socket.socket] = set()

    def cut_after(self, *, down: int = 0, up: int = 0, times: int = 1) -> None:
        """Cut a connection that has carried so many bytes that way; so many of them."""
        self._limits = {way: count for way, count in (("down", down), ("up", up)) if count}
        self._times = times

    def hold_after(self, down: int) -> None:
        """Carry nothing more down once so many bytes went that way in all, until `release`."""
        self._released.clear()
        self.held.clear()
        self._hold_after = down

    def release(self) -> None:
        """Carry everything again."""
        self._hold_after = None
        self._released.set()

    def serve(self) -> None:
        """Take connections until the listener is closed."""
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._carry, args=(client,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def end(self) -> None:
        """Let all connections end."""
        self.release()
        with self._lock:
            for side in self._open:
                with suppress(OSError):
                    side.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    def _carry(self, client: socket.socket) -> None:
        with client, self._known(client), socket.socket() as server, selectors.DefaultSelector() as selector:
            for side in (client, server):
                side.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SMALL_BUFFER)
                side.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SMALL_BUFFER)
            with suppress(OSError):
                server.connect(self._target)
                selector.register(client, selectors.EVENT_READ, ("up", server))
                selector.register(server, selectors.EVENT_READ, ("down", client))
                carried = {"down": 0, "up": 0}
                while self._turn(selector, carried):
                    pass

    @contextmanager
    def _known(self, side: socket.socket) -> Iterator[None]:
        with self._lock:
            self._open.add(side)
        try:
            yield
        finally:
            with self._lock:
                self._open.discard(side)

    def _turn(self, selector: selectors.BaseSelector, carried: dict[str, int]) -> bool:
        for key, _ in selector.select():
            way, other = key.data
            data = key.fileobj.recv(_PIECE)  # type: ignore[union-attr]  # a socket
            if not data:
                return False
            if way == "down":
                self._wait_if_held(len(data))
            other.sendall(data)
            carried[way] += len(data)
            with self._lock:
                self.moved[way] += len(data)
                if self._times and carried[way] >= self._limits.get(way, 1 << 62):
                    self._times -= 1
                    self.cuts += 1
                    return False
        return True

    def _wait_if_held(self, count: int) -> None:
        limit = self._hold_after
        if limit is not None and self.moved["down"] + count > limit:
            self.held.set()
            self._released.wait()


@contextmanager
def laid(host: str) -> Iterator[Cable]:
    """Lay a cable to a registry."""
    name, _, port = host.rpartition(":")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        cable = Cable((name, int(port)), listener)
        thread = threading.Thread(target=cable.serve, daemon=True)
        thread.start()
        try:
            yield cable
        finally:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
            thread.join()
            cable.end()
