"""Uploads of blobs: POST, PATCH, PUT, and what stands beside them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

from containerlab.distribution.server.content import blobs, uploads
from containerlab.distribution.server.content.blobs import Blob
from containerlab.distribution.server.content.uploads import Session
from containerlab.distribution.server.problems import BlobUploadInvalid, Busy, OutOfOrder, SizeInvalid
from containerlab.distribution.server.protocol.request import (
    PIECE_BYTES,
    Answer,
    Request,
    in_thread,
)
from containerlab.distribution.server.registry import Registry
from containerlab.distribution.server.rights import Identity
from containerlab.oci import digest as digests
from containerlab.oci.distribution import content_range

__all__ = ["begin", "cancel", "patch", "position", "put", "status"]

_PATIENCE_S, _PAUSE_S = 1.0, 0.02
_T = TypeVar("_T")


def position(name: str, upload_id: str, size: int) -> dict[str, str]:
    """Return the headers that say where an upload stands."""
    return {
        "location": f"/v2/{name}/blobs/uploads/{upload_id}",
        "range": f"0-{max(0, size - 1)}",
        "docker-upload-uuid": upload_id,
    }


async def begin(request: Request, name: str, _: str) -> Answer:
    """POST /v2/<name>/blobs/uploads/: end-4a, end-4b with `digest`, end-4c, and mounts, end-11."""
    registry, identity = request.registry, request.identity
    if digest := request.query("mount"):
        mounted = await in_thread(blobs.mount, registry, identity, name, digest, request.query("from"))
        if mounted:
            return _created(name, mounted)
    digest = request.query("digest")
    algorithm = digests.algorithm(digest) if digest else request.query("digest-algorithm") or "sha256"
    if digest:
        blobs.checked_digest(digest)
    upload_id = await in_thread(uploads.begin, registry, identity, name, algorithm)
    if digest:
        return await _finish(request, name, upload_id, digest)
    return Answer(202, position(name, upload_id, 0))


async def status(request: Request, name: str, upload_id: str) -> Answer:
    """GET /v2/<name>/blobs/uploads/<id>: end-13."""
    try:
        size = await _patiently(uploads.size, request, name, upload_id)
    except Busy as error:
        size = error.size
    return Answer(204, position(name, upload_id, size))


async def _patiently(
    call: Callable[[Registry, Identity, str, str], _T], request: Request, name: str, upload_id: str
) -> _T:
    """Call what wants an upload for itself, again for a moment while another request has it.

    Of a connection that was cut, the client knows before the server: it comes back at once to go on.
    """
    until = time.monotonic() + _PATIENCE_S
    while True:
        try:
            return await in_thread(call, request.registry, request.identity, name, upload_id)
        except Busy:
            if time.monotonic() > until:
                raise
        await asyncio.sleep(_PAUSE_S)


async def cancel(request: Request, name: str, upload_id: str) -> Answer:
    """DELETE /v2/<name>/blobs/uploads/<id>: end-14."""
    await in_thread(uploads.cancel, request.registry, request.identity, name, upload_id)
    return Answer(204)


async def patch(request: Request, name: str, upload_id: str) -> Answer:
    """PATCH /v2/<name>/blobs/uploads/<id>: end-5."""
    session = await _patiently(uploads.open_session, request, name, upload_id)
    try:
        await _write_body(request, session)
        return Answer(202, position(name, upload_id, session.size))
    finally:
        await in_thread(session.close)


async def put(request: Request, name: str, upload_id: str) -> Answer:
    """PUT /v2/<name>/blobs/uploads/<id>?digest=<digest>: end-6."""
    digest = blobs.checked_digest(request.query("digest"))
    return await _finish(request, name, upload_id, digest)


async def _finish(request: Request, name: str, upload_id: str, digest: str) -> Answer:
    session = await _patiently(uploads.open_session, request, name, upload_id)
    try:
        await _write_body(request, session)
        return _created(name, await in_thread(session.finish, digest))
    finally:
        await in_thread(session.close)


def _created(name: str, blob: Blob) -> Answer:
    headers = {"location": f"/v2/{name}/blobs/{blob.digest}", "docker-content-digest": blob.digest}
    return Answer(201, headers)


async def _write_body(request: Request, session: Session) -> None:
    """Add the body to an upload; of one that is cut off, all that came is kept."""
    began_at = session.size
    if request.length:
        session.expect(request.length)  # before any of it is taken
    expected = _announced(request, session)
    try:
        await _copy(request, session, expected)
    except SizeInvalid:
        await in_thread(session.truncate, began_at)
        raise


def _announced(request: Request, session: Session) -> int | None:
    """Return how long the Content-Range says that the body is.

    Raises: BlobUploadInvalid, OutOfOrder, SizeInvalid.
    """
    header = request.header("content-range")
    if not header:
        return None
    found = content_range(header)
    if found is None:
        raise BlobUploadInvalid("the Content-Range is malformed", "write it as 0-99, without a unit")
    first, last = found
    if first != session.size:
        raise OutOfOrder(
            f"the upload goes on at byte {session.size}",
            "send what follows it",
            upload_id=session.id,
            size=session.size,
        )
    count = last - first + 1
    if request.length not in (None, count):
        raise SizeInvalid(f"the Content-Range is of {count} bytes, the body has {request.length}")
    return count


async def _copy(request: Request, session: Session, expected: int | None) -> None:
    """Write the body while more of it comes.

    Raises: SizeInvalid when it is not as long as expected.
    """
    waiting: list[bytes] = []
    size = total = 0
    writing: asyncio.Future[None] | None = None
    try:
        async for piece in request.pieces():
            waiting.append(piece)
            size, total = size + len(piece), total + len(piece)
            if expected is not None and total > expected:
                waiting.clear()
                break
            if size >= PIECE_BYTES:
                if writing:
                    await writing
                writing = asyncio.ensure_future(in_thread(session.write, waiting))
                waiting, size = [], 0
    finally:
        if writing:
            await writing
        if waiting:
            await in_thread(session.write, waiting)
    if expected is not None and total != expected:
        raise SizeInvalid(f"the Content-Range is of {expected} bytes, the body has another length")
