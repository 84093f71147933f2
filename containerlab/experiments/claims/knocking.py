"""Waiting for a server that may not be there yet, or whose host answers for it before it can.

A port that is forwarded into a machine accepts connections before anybody in there listens, and holds them
for seconds. So new connections are made all the time beside those that wait, and the first answer counts: an
echo of one byte, which only the server itself can give.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import time

from containerlab.errors import TimedOut

__all__ = ["answered_at"]

_ASKED = b"?"
_MOST, _OLDEST_S = 48, 0.5
_SHORTEST_PAUSE_S, _PRECISION = 0.002, 0.02
"""A new connection is made every 2 ms, later every 2 per cent of the time that has passed."""


def answered_at(address: tuple[str, int], timeout_s: float) -> float:
    """Wait until the server at an address answers; return when it did, as `time.monotonic` counts.

    Raises: TimedOut.
    """
    began = time.monotonic()
    with contextlib.closing(_Knocks(address)) as knocks:
        while (passed_s := time.monotonic() - began) < timeout_s:
            knocks.add()
            at = knocks.answered_within(max(_SHORTEST_PAUSE_S, passed_s * _PRECISION))
            if at is not None:
                return at
    raise TimedOut(f"nobody answered at {address[0]}:{address[1]} within {timeout_s:.0f} s")


class _Knocks:
    """Connections on which no answer has come yet, the oldest first."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._address = address
        self._selector = selectors.DefaultSelector()
        self._waiting: dict[socket.socket, float] = {}

    def add(self) -> None:
        """Begin one more, unless there are enough."""
        now = time.monotonic()
        for connection in [each for each, since in self._waiting.items() if now - since > _OLDEST_S]:
            self._drop(connection)
        if len(self._waiting) >= _MOST:
            return
        connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        connection.setblocking(False)
        self._waiting[connection] = now
        self._selector.register(connection, selectors.EVENT_WRITE)
        with contextlib.suppress(BlockingIOError):
            connection.connect_ex(self._address)

    def answered_within(self, pause_s: float) -> float | None:
        """Look after all for some time; return when an answer came, None if none did."""
        limit = time.monotonic() + pause_s
        while (left_s := limit - time.monotonic()) > 0:
            for key, events in self._selector.select(left_s):
                assert isinstance(key.fileobj, socket.socket)
                if self._has_answered(key.fileobj, events):
                    return time.monotonic()
        return None

    def _has_answered(self, connection: socket.socket, events: int) -> bool:
        try:
            if events & selectors.EVENT_WRITE:
                connection.send(_ASKED)
                self._selector.modify(connection, selectors.EVENT_READ)
                return False
            if connection.recv(1) == _ASKED:
                return True
        except BlockingIOError:
            return False
        except OSError:  # refused, or cut off by a host that answers for nobody
            pass
        self._drop(connection)
        return False

    def _drop(self, connection: socket.socket) -> None:
        self._selector.unregister(connection)
        del self._waiting[connection]
        connection.close()

    def close(self) -> None:
        for connection in list(self._waiting):
            self._drop(connection)
        self._selector.close()
