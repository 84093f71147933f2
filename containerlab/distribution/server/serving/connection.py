"""A connection of a client: what uvicorn does, with bounds on the time and memory that it can cost.

uvicorn waits for ever for the rest of a header or of a body, or for a client that reads nothing, and a header
may be of any length. All are told here from a client that is only slow by time without any progress.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from containerlab.oci.distribution import problems_document

__all__ = ["Connection"]

_MOST_HEAD_BYTES = 64 << 10
_TLS_HANDSHAKE = b"\x16"
"""How a client begins that speaks TLS: each tries that first, and goes on without when it is refused."""
_LEAST_BYTES_PER_S = 256
_LATER_S = 3.0
"""Who takes a body may say first that it comes too slowly, and wait until the answer is read."""


class _Body:
    """How a body comes."""

    def __init__(self, began_s: float = 0.0, count: int = 0) -> None:
        self.bytes = count
        self._looked_s, self._seen = began_s, 0
        self._waited_s = self._silent_s = 0.0

    def look(self, now_s: float, *, is_waiting: bool) -> None:
        """Take note of what came since the last time."""
        passed_s, self._looked_s = now_s - self._looked_s, now_s
        has_come, self._seen = self.bytes > self._seen, self.bytes
        if is_waiting:
            self._waited_s += passed_s
        self._silent_s = self._silent_s + passed_s if is_waiting and not has_come else 0.0

    def is_stuck(self, patience_s: float) -> bool:
        """Tell whether it is silent, or so slow that it only occupies the server."""
        slowest_s = patience_s + self.bytes / _LEAST_BYTES_PER_S
        return self._silent_s > patience_s or self._waited_s > slowest_s


class Connection(HttpToolsProtocol):
    """One connection; `idle_s` is how long nothing may happen in the middle of something."""

    def __init__(self, *given: Any, idle_s: float, **named: Any) -> None:
        super().__init__(*given, **named)
        self._idle_s = idle_s
        self._is_in_head = True
        self._head_bytes = self._heads = 0
        self._head_timer: asyncio.TimerHandle | None = None
        self._read_timer: asyncio.TimerHandle | None = None
        self._body = _Body()
        self._body_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop(self._head_timer)
        self._stop(self._read_timer)
        self._stop(self._body_timer)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._is_in_head and self._head_timer is None:
            self._await_head()
        heads, was_in_head = self._heads, self._is_in_head
        if not (heads or self._head_bytes) and data.startswith(_TLS_HANDSHAKE):
            self._refuse("this port speaks HTTP without TLS")
            return
        super().data_received(data)
        if was_in_head and heads == self._heads:
            self._head_bytes += len(data)
            if self._head_bytes > _MOST_HEAD_BYTES and not self.transport.is_closing():
                self.send_400_response("the header of the request is too long")
        if not self._is_in_head:
            self._body.bytes += len(data)
            if self._body_timer is None:
                self._body = _Body(self.loop.time(), len(data))
                self._await_body()

    def _await_body(self) -> None:
        self._body_timer = self.loop.call_later(self._idle_s, self._look_at_body)

    def _look_at_body(self) -> None:
        """Hang up when a body has not come on; not while nobody has taken what came of it."""
        self._body.look(self.loop.time(), is_waiting=not self.flow.read_paused)
        if self._body.is_stuck(2 * self._idle_s + _LATER_S):
            self._give_up()
        else:
            self._await_body()

    def _await_head(self) -> None:
        self._head_timer = self.loop.call_later(self._idle_s, self._give_up)

    def _give_up(self) -> None:
        if not self.transport.is_closing():
            self.transport.abort()

    def on_headers_complete(self) -> None:
        self._is_in_head, self._heads = False, self._heads + 1
        self._stop(self._head_timer)
        self._head_timer = None
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._is_in_head, self._head_bytes = True, 0
        self._stop(self._body_timer)
        self._body_timer = None
        super().on_message_complete()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._read_timer = self.loop.call_later(self._idle_s, self._give_up)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stop(self._read_timer)

    @staticmethod
    def _stop(timer: asyncio.TimerHandle | None) -> None:
        if timer is not None:
            timer.cancel()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is not HTTP, or not clearly; nothing that follows it on the connection is looked at."""
        address = self.client[0] if self.client else "-"
        print(f"{address} - a request that is not HTTP: {msg}", file=sys.stderr, flush=True)
        self._refuse(msg)

    def _refuse(self, msg: str) -> None:
        body = problems_document("UNSUPPORTED", msg)
        head = (
            "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()
