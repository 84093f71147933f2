"""Sending a blob: a session, the bytes in one stream or in chunks, and the digest at the end.

What was sent before a connection broke off is not sent again where the registry still has it.
Source: OCI distribution-spec 1.1, Pushing Blobs.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, cast
from urllib.parse import urljoin

from containerlab import errors
from containerlab.distribution.exchange import Answer, Body, Exchange
from containerlab.oci import distribution
from containerlab.oci.image import Descriptor

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["Session", "begin", "upload"]

_AT_ONCE_BYTES = 1 << 20
"""So much goes along with the request that ends the session: there is little to resume."""
_LARGEST_CHUNK, _SMALLEST_CHUNK = 16 << 20, 1 << 20
_LENGTH = re.compile(r"[0-9]{1,15}")
_MOST_FAILURES = 5
"""Without a byte between them."""
_SCOPE = "pull,push"
_OCTETS = {"Content-Type": "application/octet-stream"}

Progress = Callable[[int], None]
"""Is told how many more bytes were sent; fewer than none when they have to be sent again."""


class Session(NamedTuple):
    """Where an upload goes on, and how it may."""

    location: str
    least_chunk: int = 0
    """In bytes, of every chunk but the last."""


def begin(
    exchange: Exchange, mount: str = "", source: str = "", *, scopes: tuple[str, ...] = ()
) -> Session | None:
    """Open a session; with `mount` ask for that blob of the repository `source` first: None if it is had."""
    query = [("mount", mount), ("from", source)] if mount else []
    path = f"/v2/{exchange.endpoint.repository}/blobs/uploads/"
    with exchange.request(
        "POST",
        path,
        query=query,
        scope=_SCOPE,
        expect=(201, 202) if mount else (202,),
        extra_scopes=scopes,
    ) as answer:
        return None if answer.status == 201 else _session(answer)


def upload(
    exchange: Exchange,
    descriptor: Descriptor,
    body: Body,
    session: Session | None = None,
    progress: Progress = lambda count: None,
) -> None:
    """Send a blob, in a session that is open already or a new one.

    Raises: Unavailable when it breaks off again and again; NotPermitted; DigestMismatch.
    """
    with _Source(body, descriptor.size, progress) as source:
        _Sending(exchange, descriptor, source).send(session)


class _Source:
    """The bytes to send, from any place on; they are opened anew only when that is not the next one."""

    def __init__(self, body: Body, size: int, progress: Progress) -> None:
        self._body, self.size, self._progress = body, size, progress
        self._stream: BinaryIO | None = None
        self._at = 0
        self._told = 0

    def __enter__(self) -> _Source:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._stream is not None:
            self._stream.close()

    def seek(self, offset: int) -> None:
        if self._stream is None or self._at > offset:
            self.__exit__()
            self._stream, self._at = self._body.open(), 0
        while self._at < offset:
            self._at += len(self._some(min(offset - self._at, _SMALLEST_CHUNK)))
        self._tell()

    def read(self, most: int) -> bytes:
        data = self._some(most)
        self._at += len(data)
        self._tell()
        return data

    def _some(self, most: int) -> bytes:
        assert self._stream is not None
        data = self._stream.read(most)
        if not data and most:
            raise errors.CorruptContent("a blob to be sent has fewer bytes than it should have")
        return data

    def finish(self) -> None:
        """Read the end of a stream that verifies itself there."""
        if self._stream is not None and self._stream.read(1):
            raise errors.CorruptContent("a blob to be sent has more bytes than it should have")

    def _tell(self) -> None:
        self._progress(self._at - self._told)
        self._told = self._at


class _Piece:
    """Some of the bytes, as the body of one request that may be tried again."""

    def __init__(self, source: _Source, start: int, end: int) -> None:
        self.size: int | None = end - start
        self._source, self._start, self._end = source, start, end

    def open(self) -> BinaryIO:
        self._source.seek(self._start)
        return cast("BinaryIO", _Limited(self._source, self._end - self._start))


class _Limited:
    def __init__(self, source: _Source, left: int) -> None:
        self._source, self._left = source, left

    def read(self, most: int = -1) -> bytes:
        count = self._left if most < 0 else min(most, self._left)
        data = self._source.read(count) if count else b""
        self._left -= len(data)
        return data

    def readinto(self, buffer: Buffer) -> int:
        view = memoryview(buffer)
        data = self.read(len(view))
        view[: len(data)] = data
        return len(data)

    def __enter__(self) -> _Limited:
        return self

    def __exit__(self, *exception: object) -> None:
        """The source is closed by whoever opened it."""


class _Sending:
    """One blob on its way."""

    def __init__(self, exchange: Exchange, descriptor: Descriptor, source: _Source) -> None:
        self._exchange, self._descriptor, self._source = exchange, descriptor, source
        self._size = descriptor.size
        self._chunk = 0
        """Most bytes of a request; 0 for all that is left."""
        self._failures = 0

    def send(self, session: Session | None) -> None:
        offset = 0
        while True:
            current = session or self._begin()
            try:
                if offset < self._size and self._size > _AT_ONCE_BYTES:
                    session, offset = self._patch(current, offset)
                    continue
                if self._put(current, offset):
                    return
                self._count_failure()
            except (errors.Unavailable, errors.TimedOut) as error:
                self._count_failure(error)
            session, offset = self._resumed(current)

    def _begin(self) -> Session:
        session = begin(self._exchange)
        assert session is not None
        return session

    def _patch(self, session: Session, offset: int) -> tuple[Session | None, int]:
        """Send what comes next; return where to go on, with no session when it has to begin anew."""
        step = max(self._chunk, session.least_chunk) if self._chunk else self._size
        end = min(offset + step, self._size)
        headers = dict(_OCTETS)
        if offset or end < self._size:
            headers["Content-Range"] = f"{offset}-{end - 1}"
        with self._exchange.request(
            "PATCH",
            session.location,
            headers=headers,
            body=_Piece(self._source, offset, end),
            scope=_SCOPE,
            expect=(202, 404, 413, 416),
        ) as answer:
            if answer.status == 202:
                accepted = _accepted(answer, end)
                if accepted > offset:
                    self._failures = 0
                else:  # it throws away what it takes
                    self._count_failure()
                return _session(answer, session), accepted
            if answer.status == 413:
                self._make_smaller(step, max(_SMALLEST_CHUNK, session.least_chunk))
                return None, 0
        self._count_failure()
        return self._resumed(session) if answer.status == 416 else (None, 0)

    def _make_smaller(self, step: int, least: int) -> None:
        """Send less at once: something before the registry limits what a request may have."""
        if step <= least:
            raise errors.Unavailable(
                f"the registry takes no {step} bytes at once", "ask who runs the proxy before it"
            )
        self._chunk = max(_SMALLEST_CHUNK, min(_LARGEST_CHUNK, step // 2))

    def _put(self, session: Session, offset: int) -> bool:
        """End the session; tell whether the registry has the blob then."""
        if offset == self._size:
            self._source.finish()
        body = _Piece(self._source, offset, self._size) if offset < self._size else b""
        with self._exchange.request(
            "PUT",
            session.location,
            query=[("digest", self._descriptor.digest)],
            headers=dict(_OCTETS),
            body=body,
            scope=_SCOPE,
            expect=(201, 204, 404, 416),
        ) as answer:
            if answer.status in (201, 204):
                return True
        return self._has()

    def _has(self) -> bool:
        """Tell whether it arrived after all: of a request that was tried twice the first may have done it."""
        path = f"/v2/{self._exchange.endpoint.repository}/blobs/{self._descriptor.digest}"
        with self._exchange.request("HEAD", path, scope=_SCOPE, expect=(200, 404)) as answer:
            return answer.status == 200

    def _resumed(self, session: Session) -> tuple[Session | None, int]:
        """Ask how far the registry has come; nothing and 0 when it has forgotten."""
        try:
            with self._exchange.request(
                "GET", session.location, scope=_SCOPE, expect=(200, 204, 400, 404)
            ) as answer:
                if answer.status == 204:
                    return _session(answer, session), _accepted(answer, 0)
        except errors.LabError:
            pass
        return None, 0

    def _count_failure(self, error: errors.LabError | None = None) -> None:
        self._failures += 1
        if self._failures > _MOST_FAILURES:
            digest = self._descriptor.digest
            raise error or errors.Unavailable(f"the registry does not take blob {digest}", "try again later")


def _session(answer: Answer, before: Session | None = None) -> Session:
    location = answer.headers.get("Location", "")
    if not location and before is not None:
        return before
    if not location:
        raise errors.Unavailable("the registry opened an upload without saying where", "it is no registry?")
    least = answer.headers.get("OCI-Chunk-Min-Length", "")
    kept = before.least_chunk if before else 0
    return Session(urljoin(answer.url, location), int(least) if _LENGTH.fullmatch(least) else kept)


def _accepted(answer: Answer, usual: int) -> int:
    """Return how many bytes the registry says that it has; 0-0 is how some say none."""
    found = distribution.content_range(answer.headers.get("Range", "").removeprefix("bytes="))
    if found is None or found[0] != 0:
        return usual
    return 0 if found == (0, 0) and usual != 1 else found[1] + 1
