"""The bytes of uploaded archives over HTTP: the one operation of the API whose body is no JSON."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from containerlab import errors
from containerlab.distribution.api import problem
from containerlab.distribution.api.operation import PREFIX
from containerlab.distribution.server.api.app import Identify
from containerlab.distribution.server.archives import archives
from containerlab.distribution.server.problems import UploadTimedOut
from containerlab.distribution.server.registry import Registry

__all__ = ["route"]

_PATH = f"{PREFIX}/archives/{{id}}/content"
_PIECE = 1 << 20
_OFFSET = re.compile(r"[0-9]{1,16}")
_LOG = logging.getLogger(__name__)


def route(registry: Registry, identify: Identify, path: str = _PATH) -> Route:
    """Return the route, which stands before the rest of the API; `path` has an `{id}`."""
    return Route(path, _ArchiveContent(registry, identify))


class _ArchiveContent:
    def __init__(self, registry: Registry, identify: Identify) -> None:
        self._registry, self._identify = registry, identify

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            response = await self._take(request)
        except ClientDisconnect:  # what has arrived stays
            return
        except archives.WrongOffset as error:
            response = _refusal(error, {"Upload-Offset": str(error.received)})
        except errors.LabError as error:
            response = _refusal(error, {})
        except Exception:
            _LOG.exception("an archive could not be taken")
            response = _refusal(errors.LabError("the registry failed; its log says why"), {})
        await response(scope, receive, send)

    async def _take(self, request: Request) -> Response:
        identity = await run_in_threadpool(self._identify, self._registry, request)
        offset = request.headers.get("upload-offset", "")
        if request.method != "PATCH":
            return Response(status_code=405, headers={"Allow": "PATCH"})
        if not _OFFSET.fullmatch(offset):
            raise errors.InvalidInput("Upload-Offset does not say where the bytes belong", "write 0 at first")
        with archives.append(self._registry, identity, request.path_params["id"], int(offset)) as appending:
            pieces: list[bytes] = []
            try:
                async for piece in self._pieces(request):
                    pieces.append(piece)
                    if sum(map(len, pieces)) >= _PIECE:
                        await run_in_threadpool(appending.write, pieces)
                        pieces = []
            finally:
                await run_in_threadpool(appending.write, pieces)
        return Response(status_code=204, headers={"Upload-Offset": str(appending.received)})

    async def _pieces(self, request: Request) -> AsyncIterator[bytes]:
        """Yield the body. Raises: UploadTimedOut when nothing comes: others may want to go on with it."""
        stream = request.stream()
        while True:
            try:
                async with asyncio.timeout(self._registry.settings.idle_s):
                    piece = await anext(stream, b"")
            except TimeoutError:
                raise UploadTimedOut("nothing came for too long", "go on with the upload") from None
            if not piece:
                return
            yield piece


def _refusal(error: errors.LabError, headers: dict[str, str]) -> Response:
    status = problem.status_of(error)
    body = msgspec.json.encode(problem.problem_of(error, status))
    return Response(body, status, headers, problem.MEDIA_TYPE)
