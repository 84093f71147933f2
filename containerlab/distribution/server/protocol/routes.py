"""The routes of `/v2/` and `/token`: which request means what, and what becomes of errors."""

from __future__ import annotations

import contextlib
import time
import traceback
from collections.abc import Awaitable, Callable, Mapping

from starlette.types import Receive, Scope, Send

from containerlab import errors
from containerlab.distribution.server import events, problems
from containerlab.distribution.server.protocol import access, blobs, discovery, log, manifests, token, uploads
from containerlab.distribution.server.protocol.request import Answer, Disconnected, Request, Shared, in_thread
from containerlab.distribution.server.registry import Registry
from containerlab.oci.distribution import is_name, problems_document

__all__ = ["Protocol"]

_Handler = Callable[[Request, str, str], Awaitable[Answer]]

_BLOB: Mapping[str, _Handler] = {"GET": blobs.get, "HEAD": blobs.get, "DELETE": blobs.delete}
_BEGIN: Mapping[str, _Handler] = {"POST": uploads.begin}
_UPLOAD: Mapping[str, _Handler] = {
    "GET": uploads.status,
    "HEAD": uploads.status,
    "PATCH": uploads.patch,
    "PUT": uploads.put,
    "DELETE": uploads.cancel,
}
_MANIFEST: Mapping[str, _Handler] = {
    "GET": manifests.get,
    "HEAD": manifests.get,
    "PUT": manifests.put,
    "DELETE": manifests.delete,
}
_TAGS: Mapping[str, _Handler] = {"GET": discovery.tags, "HEAD": discovery.tags}
_REFERRERS: Mapping[str, _Handler] = {"GET": discovery.referrers, "HEAD": discovery.referrers}
_CATALOG: Mapping[str, _Handler] = {"GET": discovery.catalog, "HEAD": discovery.catalog}
_TOKEN: Mapping[str, _Handler] = {"GET": token.give, "POST": token.give}
_BASE: Mapping[str, _Handler] = {"GET": discovery.base, "HEAD": discovery.base}


class Protocol:
    """The ASGI application that answers `/v2/` and `/token`."""

    def __init__(self, registry: Registry, shared: Shared) -> None:
        self._registry, self._shared = registry, shared

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(self._registry, self._shared, scope, receive, send)
        began = time.monotonic()
        try:
            answer = await self._answer(request)
            await answer.send(request)
        except Disconnected:
            log.write(request, 499, began, "the client has gone")
            return
        except errors.LabError as error:
            await _refuse(request, error, began)
            return
        except Exception as error:
            if request.is_answered:
                raise  # the connection is cut: the client sees that the answer is not whole
            traceback.print_exc()
            await _refuse(request, problems.Failed(f"the registry failed: {type(error).__name__}"), began)
            return
        if self._registry.settings.access_log:
            log.write(request, answer.status, began)

    async def _answer(self, request: Request) -> Answer:
        methods, name, last = _route(request.path)
        handler = methods.get(request.method)
        if handler is None:
            raise problems.Unsupported(f"{request.method} does not go with this", ", ".join(methods))
        if methods is not _TOKEN:
            request.identity = await access.identify(request)
        return await handler(request, name, last)


def _route(path: str) -> tuple[Mapping[str, _Handler], str, str]:
    """Find what a path means: its methods, a repository, and what comes last: tag, digest or session.

    By hand, not by regular expressions: names have slashes, and this is done for every request.
    """
    if path == "/token":
        return _TOKEN, "", ""
    rest = path.removeprefix("/v2").removeprefix("/")
    if rest in ("", "_catalog"):
        return (_CATALOG if rest else _BASE), "", ""
    before, _, last = rest.rpartition("/")
    name, _, kind = before.rpartition("/")
    if kind == "manifests":
        return _MANIFEST, name, last
    if kind == "blobs":
        return (_BEGIN, name, "") if last == "uploads" else (_BLOB, name, last)
    if kind == "uploads" and name.endswith("/blobs"):
        return (_UPLOAD if last else _BEGIN), name.removesuffix("/blobs"), last
    if kind == "referrers":
        return _REFERRERS, name, last
    if kind == "tags" and last == "list":
        return _TAGS, name, ""
    raise problems.NameUnknown("there is nothing at this path", "see the distribution specification")


async def _refuse(request: Request, error: errors.LabError, began: float) -> None:
    """Answer with what was wrong, and write it down."""
    error = access.translated(request, error)
    refusal = problems.refusal(error)
    if refusal.status == 403 and request.identity.name and request.method not in ("GET", "HEAD"):
        await _note(request, refusal.message)
    body = problems_document(refusal.code, refusal.message)
    answer = Answer(refusal.status, _headers(request, error), body)
    if request.registry.settings.access_log or not log.is_usual(request, refusal.status):
        log.write(request, refusal.status, began, f"{refusal.code} {refusal.message}")
    if not request.has_unread_body:
        await answer.send(request)
        return
    answer.headers["connection"] = "close"
    await request.send(answer.start())
    body = b"" if request.method == "HEAD" else answer.body
    await request.send({"type": "http.response.body", "body": body, "more_body": True})
    await request.linger()
    await request.send({"type": "http.response.body", "body": b""})


async def _note(request: Request, why: str) -> None:
    """Write into the audit log that somebody tried what they may not."""
    with contextlib.suppress(errors.LabError):  # as a full disk
        name = _route(request.path)[1]
        repository = name if is_name(name) else ""
        await in_thread(events.note_denied, request.registry, request.identity, repository, why[:500])


def _headers(request: Request, error: errors.LabError) -> dict[str, str]:
    headers = {"content-type": "application/json"}
    if isinstance(error, problems.Unauthorized):
        headers["www-authenticate"] = access.challenge(request, error.scope)
    if isinstance(error, problems.TooMany):
        headers["retry-after"] = str(max(1, round(error.retry_after_s)))
    if isinstance(error, problems.OutOfOrder):
        name = _route(request.path)[1]
        headers |= uploads.position(name, error.upload_id, error.size)
    return headers
