"""GET, HEAD and DELETE of blobs."""

from __future__ import annotations

import contextlib
import os

from containerlab import errors
from containerlab.distribution.server.content import blobs
from containerlab.distribution.server.content.blobs import Blob
from containerlab.distribution.server.problems import BlobUnknown, NameUnknown, Unsupported
from containerlab.distribution.server.protocol import caching, ranges
from containerlab.distribution.server.protocol.request import Answer, Request, in_thread
from containerlab.distribution.server.rights import Level
from containerlab.distribution.server.upstreams.fetching import Arrival

__all__ = ["delete", "get"]

_PIECE_BYTES = 256 << 10


class _File(Answer):
    """A blob, or a part of it, read while it is sent."""

    __slots__ = ("_blob", "_range")

    def __init__(self, blob: Blob, part: ranges.Range | None, headers: dict[str, str]) -> None:
        super().__init__(206 if part else 200, headers)
        self._blob = blob
        self._range = part or ranges.Range(0, blob.size)

    @property
    def length(self) -> int:
        return self._range.end - self._range.first

    async def send(self, request: Request) -> None:
        fd = blobs.open_file(request.registry, self._blob)
        try:
            if os.fstat(fd).st_nlink > 1 and not await in_thread(blobs.is_genuine, fd, self._blob):
                raise BlobUnknown(f"the blob {self._blob.digest} is damaged here", "push it again")
            await request.send(self.start())
            await self._send_content(request, fd)
        finally:
            os.close(fd)

    async def _send_content(self, request: Request, fd: int) -> None:
        position, end = self._range
        while position < end:
            piece = await _read(fd, min(_PIECE_BYTES, end - position), position)
            if not piece:
                raise RuntimeError(f"{self._blob.digest} became shorter while it was sent")
            position += len(piece)
            await request.send({"type": "http.response.body", "body": piece, "more_body": position < end})
        if self.length == 0:
            await request.send({"type": "http.response.body", "body": b""})


async def _read(fd: int, count: int, position: int) -> bytes:
    """Read at once what is in the kernel's memory, and what is not in a thread."""
    buffer = bytearray(count)
    try:
        got = os.preadv(fd, [buffer], position, os.RWF_NOWAIT)
    except OSError:  # EAGAIN: it would have to wait; EOPNOTSUPP: the file system cannot say
        got = 0
    if got:
        return bytes(memoryview(buffer)[:got])
    return await in_thread(os.pread, fd, count, position)


async def get(request: Request, name: str, digest: str) -> Answer:
    """GET or HEAD /v2/<name>/blobs/<digest>: end-2."""
    name = caching.local_name(request, name)
    is_push = request.method == "HEAD" and request.identity.level(name) >= Level.WRITE
    try:
        blob = blobs.find(request.registry, request.identity, name, digest)
    except (BlobUnknown, NameUnknown):
        # Who may push and asks like this wants to know what need not be sent.
        arrival = None if is_push else await caching.arrival(request, name, digest)
        if arrival is None:
            raise
        return await _arriving(request, arrival)
    if is_push:
        await _promise(request, name, digest)
    return _present(request, blob)


async def _arriving(request: Request, arrival: Arrival) -> Answer:
    """Answer with a blob that is on its way from an upstream; a part of it only when it is here."""
    with contextlib.ExitStack() as stack:
        stack.callback(arrival.close)
        answer = _present(request, arrival.blob)
        if not isinstance(answer, _File):
            return answer
        await caching.started(request, arrival)
        if answer.status == 200:
            stack.pop_all()
            return caching.Arriving(arrival, answer.headers)
        await caching.completed(arrival)
        return answer


def _present(request: Request, blob: Blob) -> Answer:
    digest = blob.digest
    headers = {
        "docker-content-digest": digest,
        "etag": ranges.etag(digest),
        "accept-ranges": "bytes",
        "content-type": "application/octet-stream",
    }
    if (known := request.header("if-none-match")) and ranges.is_match(known, digest):
        return Answer(304, headers)
    if request.method == "HEAD":
        return Answer(200, {**headers, "content-length": str(blob.size)})
    try:
        part = _part(request, blob)
    except ranges.Unsatisfiable:
        return Answer(416, {"content-range": f"bytes */{blob.size}"})
    if part:
        headers["content-range"] = f"bytes {part.first}-{part.end - 1}/{blob.size}"
    return _File(blob, part, headers)


async def _promise(request: Request, name: str, digest: str) -> None:
    """Note that a client which may push will not send a blob, because it is there."""
    try:
        is_there = await in_thread(blobs.promise, request.registry, request.identity, name, digest)
    except errors.Unavailable:  # the disk is full, as it may be for who only looks
        return
    if not is_there:
        raise BlobUnknown(f"no such blob in {name}: {digest}")


def _part(request: Request, blob: Blob) -> ranges.Range | None:
    condition = request.header("if-range")
    if condition and condition.strip() != ranges.etag(blob.digest):
        return None
    return ranges.wanted(request.header("range"), blob.size)


async def delete(request: Request, name: str, digest: str) -> Answer:
    """DELETE /v2/<name>/blobs/<digest>: end-10."""
    if not request.registry.settings.deletes:
        raise Unsupported("this registry deletes nothing")
    await in_thread(blobs.delete, request.registry, request.identity, name, digest)
    return Answer(202)
