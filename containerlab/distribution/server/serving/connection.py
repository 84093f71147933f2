"""A connection of a client: what uvicorn does, with bounds on the time and memory that it can cost.

uvicorn waits for ever for the rest of a header or for a client that reads nothing, and a header may be of any
length. Both are told here from a client that is only slow by time without any progress.
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


class Connection(HttpToolsProtocol):
    """One connection; `idle_s` is how long nothing may happen in the middle of something."""

    def __init__(self, *given: Any, idle_s: float, **named: Any) -> None:
        super().__init__(*given, **named)
        self._idle_s = idle_s
        self._is_in_head = True
        self._head_bytes = self._heads = 0
        self._head_timer: asyncio.TimerHandle | None = None
        self._read_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop(self._head_timer)
        self._stop(self._read_timer)
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
