"""One request and its answer, between ASGI and what the registry does."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from starlette.types import Message, Receive, Scope, Send

from containerlab.distribution.server.content.pulls import Pulls
from containerlab.distribution.server.problems import TooLarge, UploadTimedOut
from containerlab.distribution.server.registry import Registry
from containerlab.distribution.server.rights import Identity

__all__ = ["LARGE_BYTES", "PIECE_BYTES", "Answer", "Disconnected", "Request", "Shared", "in_thread"]

PIECE_BYTES = 256 << 10
"""Bodies are hashed and written in pieces of about this size: a change of threads costs some 50 µs."""
LARGE_BYTES = 256 << 10
"""Documents from this size on, and of unknown size, are taken few at a time."""
_LARGE_AT_ONCE = 2
_LEAST_BYTES_PER_S = 256
"""A body that comes more slowly is from somebody who wants to occupy the server."""
_LINGER_S = 2.0
_LINGER_BYTES = 16 << 20

_T = TypeVar("_T")


async def in_thread(call: Callable[..., _T], *values: Any) -> _T:
    """Call what blocks, while others are served."""
    return await asyncio.get_running_loop().run_in_executor(None, call, *values)


class Disconnected(Exception):
    """The client has gone in the middle of its request."""


class Answer:
    """An answer; a body that is not bytes in the memory is sent by a subclass."""

    __slots__ = ("body", "headers", "status")

    def __init__(
        self, status: int, headers: Mapping[str, str | Sequence[str]] | None = None, body: bytes = b""
    ) -> None:
        self.status, self.body = status, body
        self.headers = dict(headers or {})
        """By names in small letters; one with several values is sent once for each."""

    @property
    def length(self) -> int:
        """Bytes that a GET gets."""
        return len(self.body)

    def start(self) -> Message:
        fields = [
            (name.encode("latin-1"), value.encode("latin-1"))
            for name, values in self.headers.items()
            for value in ((values,) if isinstance(values, str) else values)
        ]
        if self.status not in (204, 304) and "content-length" not in self.headers:
            fields.append((b"content-length", str(self.length).encode()))
        fields.append((b"docker-distribution-api-version", b"registry/2.0"))
        return {"type": "http.response.start", "status": self.status, "headers": fields}

    async def send(self, request: Request) -> None:
        await request.send(self.start())
        body = b"" if request.method == "HEAD" else self.body
        await request.send({"type": "http.response.body", "body": body})


class Shared:
    """What the requests of a process have in common."""

    def __init__(self) -> None:
        self.pulls = Pulls()
        self.large = asyncio.Semaphore(_LARGE_AT_ONCE)
        """Held while a large document is in the memory, with all that is made of it."""


class Request:
    """A request; its body can be read once."""

    def __init__(
        self, registry: Registry, shared: Shared, scope: Scope, receive: Receive, send: Send
    ) -> None:
        self.registry, self.shared = registry, shared
        self.scope = scope
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.is_answered = False
        self.identity = Identity(name="")
        self._receive, self._send = receive, send
        self._query: list[tuple[str, str]] | None = None
        self._is_read = False

    async def send(self, message: Message) -> None:
        """Send a part of the answer."""
        self.is_answered = True
        await self._send(message)

    def header(self, name: str) -> str:
        """Return a header, empty if there is none; the last, if it came several times."""
        return self.headers.get(name.encode(), b"").decode("latin-1")

    @property
    def address(self) -> str:
        client = self.scope.get("client")
        return client[0] if client else ""

    @property
    def base_url(self) -> str:
        """Return what the client calls the server, or what it was told to."""
        if self.registry.settings.public_url:
            return self.registry.settings.public_url.rstrip("/")
        return f"{self.scope['scheme']}://{self.header('host') or 'localhost'}"

    def queries(self, name: str) -> list[str]:
        """Return all values of a parameter."""
        if self._query is None:
            text = self.scope["query_string"].decode("latin-1")
            self._query = parse_qsl(text, keep_blank_values=True)
        return [value for key, value in self._query if key == name]

    def query(self, name: str) -> str:
        """Return the first value of a parameter, empty if there is none."""
        return next(iter(self.queries(name)), "")

    @property
    def length(self) -> int | None:
        """Return the announced length of the body; None when it comes in chunks."""
        if b"transfer-encoding" in self.headers:
            return None
        return int(self.headers.get(b"content-length", b"0"))

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield the body as it comes.

        Raises: Disconnected, UploadTimedOut.
        """
        began, total = time.monotonic(), 0
        while not self._is_read:
            message = await self._next()
            self._is_read = not message.get("more_body", False)
            if body := message.get("body", b""):
                total += len(body)
                yield body
            if time.monotonic() - began > self.registry.settings.idle_s + total / _LEAST_BYTES_PER_S:
                raise UploadTimedOut("the body comes too slowly", "go on with the upload")

    async def _next(self) -> Message:
        try:
            async with asyncio.timeout(self.registry.settings.idle_s):
                message = await self._receive()
        except TimeoutError:
            raise UploadTimedOut("nothing came for too long", "go on with the upload") from None
        if message["type"] == "http.disconnect":
            raise Disconnected
        return message

    async def body(self, most: int) -> bytes:
        """Return the whole body.

        Raises: TooLarge as soon as it has more than `most` bytes.
        """
        if (self.length or 0) > most:
            raise TooLarge(f"more than {most} bytes")
        found = bytearray()
        async for piece in self.pieces():
            found += piece
            if len(found) > most:
                raise TooLarge(f"more than {most} bytes")
        return bytes(found)

    @property
    def has_unread_body(self) -> bool:
        return not self._is_read and self.length != 0

    async def linger(self) -> None:
        """Read on for a moment after an answer that refuses: else the client is cut off before it reads it.

        Source: RFC 9112, section 9.6.
        """
        left = _LINGER_BYTES
        try:
            async with asyncio.timeout(_LINGER_S):
                while left > 0 and not self._is_read:
                    message = await self._receive()
                    if message["type"] == "http.disconnect":
                        return
                    self._is_read = not message.get("more_body", False)
                    left -= len(message.get("body", b""))
        except TimeoutError:
            return
