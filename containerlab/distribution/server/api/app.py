"""The API as an ASGI application: finds the operation, who asks, calls the function in a thread, answers."""

from __future__ import annotations

import itertools
import logging
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from containerlab import errors
from containerlab.distribution.api import problem
from containerlab.distribution.api.operation import PREFIX, Operation
from containerlab.distribution.api.values import Page
from containerlab.distribution.server import events
from containerlab.distribution.server.api import openapi, reading
from containerlab.distribution.server.api.binding import Bound, bound
from containerlab.distribution.server.registry import Registry
from containerlab.distribution.server.rights import Identity, require_account

__all__ = ["Api", "Identify"]

_LOG = logging.getLogger(__name__)
_CHALLENGE = 'Basic realm="containerlab registry", charset="UTF-8"'
_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
_PIECE = 1 << 16
_DOCUMENT = "/openapi.json"

Identify = Callable[[Registry, Request], Identity]
"""Tells who asks. Raises: NotPermitted or another error with its status."""


class _Route(NamedTuple):
    pattern: re.Pattern[bytes]
    bound: Bound


class Api:
    """The API of a registry; to be mounted at `PREFIX`."""

    def __init__(self, registry: Registry, identify: Identify) -> None:
        self._registry, self._identify = registry, identify
        self._routes = [_Route(_pattern(each.operation), each) for each in bound()]
        self._document: bytes | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            response = await self._respond(request)
        except ClientDisconnect:
            return
        except errors.LabError as error:
            response = _refusal(error, problem.status_of(error))
        except Exception:
            _LOG.exception("%s %s failed", request.method, _printable(request))
            response = _refusal(errors.LabError("the registry failed; its log says why"), 500)
        await response(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        path = _raw_path(request)
        if path == _DOCUMENT.encode() and request.method in ("GET", "HEAD"):
            return await run_in_threadpool(self._openapi)
        matching = [(route, found) for route in self._routes if (found := route.pattern.fullmatch(path))]
        if not matching and path != _DOCUMENT.encode():
            raise errors.NotFound(f"no such resource: {_printable(request)}", f"see {PREFIX}{_DOCUMENT}")
        method = "GET" if request.method == "HEAD" else request.method
        for route, found in matching:
            if route.bound.operation.method == method:
                body = await _body(request, route.bound.operation)
                return await run_in_threadpool(self._perform, request, route.bound, found, body)
        allowed = sorted({route.bound.operation.method for route, _ in matching} or {"GET"})
        refused = errors.InvalidInput(f"{request.method} does nothing here", f"use {', '.join(allowed)}")
        return _refusal(refused, 405, {"Allow": ", ".join(allowed)})

    def _openapi(self) -> Response:
        if self._document is None:
            self._document = msgspec.json.encode(
                openapi.document([route.bound.operation for route in self._routes])
            )
        return _answer(self._document, 200)

    def _perform(self, request: Request, known: Bound, found: re.Match[bytes], body: bytes) -> Response:
        """Carry out an operation, in a thread of its own."""
        operation = known.operation
        identity = self._identify(self._registry, request)
        try:
            if operation.who != "anybody":
                require_account(identity)
            in_path = reading.segments(b"/".join(found.groups())) if operation.in_path else ()
            parts = dict(zip(operation.in_path, in_path, strict=True))
            given = reading.arguments(operation, parts, request.scope["query_string"], body)
            result = known.function(self._registry, identity, **given)
            return _success(request, operation, result)
        except errors.NotPermitted as error:
            if identity.name and operation.method != "GET":
                said = f"{operation.name}: {error.message}"
                events.note_denied(self._registry, identity, "", said[:500])
            if identity.name or identity.is_admin:
                raise
            return _refusal(error, 401, _challenge(request))


def _pattern(operation: Operation) -> re.Pattern[bytes]:
    parts = re.split(r"\{\w+\}", operation.path)
    return re.compile("([^/]+)".join(map(re.escape, parts)).encode())


def _raw_path(request: Request) -> bytes:
    """Return the path below the prefix as it was sent: a %2F in it is part of a name."""
    raw: bytes = request.scope.get("raw_path") or quote(request.scope["path"]).encode()
    return raw.partition(b"?")[0].removeprefix(PREFIX.encode())


def _printable(request: Request) -> str:
    return f"{PREFIX}{_raw_path(request)[:300].decode('ascii', 'backslashreplace')}"


async def _body(request: Request, operation: Operation) -> bytes:
    pieces, size = [], 0
    async for piece in request.stream():
        pieces.append(piece)
        size += len(piece)
        if size > reading.MAX_BODY:
            raise _TooLarge(f"the body has more than {reading.MAX_BODY} bytes")
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if operation.has_body and kind != "application/json":
        raise _NotJson(f"the body is {kind or 'of no type'}", "send it as application/json")
    return b"".join(pieces)


class _TooLarge(errors.InvalidInput):
    status = 413


class _NotJson(errors.InvalidInput):
    status = 415


def _success(request: Request, operation: Operation, result: Any) -> Response:
    if operation.streams:
        return _stream(result)
    if operation.answer_type is None:
        return Response(status_code=204, headers=_HEADERS)
    more = {}
    if isinstance(result, Page) and result.next:
        query = {**dict(request.query_params), "after": result.next}
        more["Link"] = f'<{PREFIX}{_raw_path(request).decode("ascii")}?{urlencode(query)}>; rel="next"'
    return _answer(msgspec.json.encode(result), operation.status, more)


def _stream(results: Iterator[Any]) -> Response:
    first = list(itertools.islice(results, 1))  # so that what is refused is refused with its status
    lines = (msgspec.json.encode(each) + b"\n" for each in itertools.chain(first, results))
    return StreamingResponse(_pieces(lines), media_type="application/jsonl", headers=_HEADERS)


def _pieces(lines: Iterator[bytes]) -> Iterator[bytes]:
    """Put lines together: each piece is a switch of threads."""
    piece = bytearray()
    for line in lines:
        piece += line
        if len(piece) >= _PIECE:
            yield bytes(piece)
            piece.clear()
    yield bytes(piece)


def _answer(body: bytes, status: int, more: dict[str, str] | None = None) -> Response:
    return Response(body, status, {**_HEADERS, **(more or {})}, "application/json")


def _refusal(error: errors.LabError, status: int, more: dict[str, str] | None = None) -> Response:
    headers = {**_HEADERS, **(more or {})}
    if (wait := getattr(error, "retry_after_s", None)) is not None:
        headers["Retry-After"] = str(max(1, round(wait)))
    if status == 401 and "WWW-Authenticate" not in headers:
        headers["WWW-Authenticate"] = _CHALLENGE
    body = msgspec.json.encode(problem.problem_of(error, status))
    return Response(body, status, headers, problem.MEDIA_TYPE)


def _challenge(request: Request) -> dict[str, str]:
    """Ask for a password; of the page's scripts without a browser's own dialogue."""
    return {"WWW-Authenticate": 'Bearer realm="containerlab registry"' if request.cookies else _CHALLENGE}
