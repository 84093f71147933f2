"""What a pull-through cache adds to GET and HEAD; without upstreams, a look at what is remembered."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from containerlab.distribution.server.protocol.request import Answer, Request, in_thread
from containerlab.distribution.server.upstreams import fetching, mirroring, upstreams
from containerlab.distribution.server.upstreams.fetching import Arrival

__all__ = ["Arriving", "arrival", "completed", "local_name", "referrers_refreshed", "refreshed", "started"]

_PIECE_BYTES = 256 << 10
_PAUSE_S = 0.02
_MOST_WARNING = 400
_T = TypeVar("_T")


def local_name(request: Request, name: str) -> str:
    """Return the repository that a client means who takes us for a mirror of another registry."""
    if b"ns=" not in request.scope["query_string"]:
        return name
    return upstreams.local_name(request.registry, name, request.query("ns"))


async def refreshed(request: Request, name: str, reference: str) -> dict[str, str]:
    """See that a manifest is here and fresh, and return headers that warn when it is not.

    Raises: what `mirroring.refresh` does.
    """
    registry = request.registry
    served = upstreams.serving(registry, name)
    if served is None or mirroring.is_current(registry, served, name, reference):
        return {}
    warning = await _waiting(request, mirroring.refresh, registry, request.identity, served, name, reference)
    return {"warning": f'299 - "{_quoted(warning)}"'} if warning else {}


async def referrers_refreshed(request: Request, name: str, digest: str) -> None:
    """See that what an upstream has that speaks about a manifest is here."""
    served = upstreams.serving(request.registry, name)
    if served is not None:
        await _waiting(
            request, mirroring.refresh_referrers, request.registry, request.identity, served, name, digest
        )


async def arrival(request: Request, name: str, digest: str) -> Arrival | None:
    """Return how a blob that is not here can come; None when it is looked for nowhere."""
    if upstreams.serving(request.registry, name) is None:
        return None
    return await in_thread(fetching.find, request.registry, request.identity, name, digest)


async def started(request: Request, arrival: Arrival) -> None:
    """See that a blob is on its way."""
    await _waiting(request, arrival.start)


class Arriving(Answer):
    """A blob that is sent on while it comes."""

    __slots__ = ("_arrival",)

    def __init__(self, arrival: Arrival, headers: Mapping[str, str | Sequence[str]]) -> None:
        super().__init__(200, headers)
        self._arrival = arrival

    @property
    def length(self) -> int:
        return self._arrival.blob.size

    async def send(self, request: Request) -> None:
        with contextlib.closing(self._arrival):
            # Before the start of the answer: as long as nothing came, the client can still be told why.
            piece = await _read(self._arrival, 0)
            await request.send(self.start())
            position = len(piece)
            while position < self.length:
                await request.send({"type": "http.response.body", "body": piece, "more_body": True})
                piece = await _read(self._arrival, position)
                position += len(piece)
            await request.send({"type": "http.response.body", "body": piece})


async def _read(arrival: Arrival, position: int) -> bytes:
    """Wait for the next piece of a blob; empty only when it has no more."""
    while (piece := await in_thread(arrival.read, position, _PIECE_BYTES)) is None:
        await asyncio.sleep(_PAUSE_S)
    if not piece and position < arrival.blob.size:
        raise RuntimeError(f"{arrival.blob.digest} became shorter while it was sent")
    return piece


async def completed(arrival: Arrival) -> None:
    """Wait until a blob is here as a whole."""
    while not await in_thread(arrival.is_complete):
        await asyncio.sleep(_PAUSE_S)


async def _waiting(request: Request, call: Callable[..., _T], *values: Any) -> _T:
    pool = request.registry.upstream_state.pool
    return await asyncio.get_running_loop().run_in_executor(pool, call, *values)


def _quoted(text: str) -> str:
    """Make text fit for a header.

    >>> _quoted('a "b"')
    "a 'b'"
    """
    plain = text[:_MOST_WARNING].replace('"', "'").replace("\\", "/")
    return "".join(each if " " <= each <= "~" else "?" for each in plain)
