"""The application: the protocol, the API and the page as one."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator

import anyio.to_thread
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import BaseRoute, Mount
from starlette.types import Receive, Scope, Send

from containerlab import errors
from containerlab.distribution.api.operation import PREFIX
from containerlab.distribution.server.accounts import authentication
from containerlab.distribution.server.api.app import Api
from containerlab.distribution.server.archives import pieces
from containerlab.distribution.server.content.pulls import Pulls
from containerlab.distribution.server.page import sessions, site
from containerlab.distribution.server.page.visit import cookie_name
from containerlab.distribution.server.protocol.request import Shared
from containerlab.distribution.server.protocol.routes import Protocol
from containerlab.distribution.server.registry import Registry, Settings
from containerlab.distribution.server.rights import Identity
from containerlab.distribution.server.serving import browsers
from containerlab.distribution.server.upkeep.worker import Worker

__all__ = ["App", "create"]

_COUNT_S = 5.0


class App:
    """An ASGI application: the protocol goes by itself, past what pages and the API need."""

    def __init__(self, settings: Settings, protocol: Protocol, others: Starlette) -> None:
        self._settings, self._protocol, self._others = settings, protocol, others

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if refused := browsers.refusal(self._settings, scope):
            await refused(scope, receive, send)
            return
        path = scope.get("path", "")
        is_protocol = path.startswith("/v2/") or path in ("/v2", "/token")
        await (self._protocol if is_protocol else self._others)(scope, receive, send)


def create(registry: Registry) -> App:
    """Return the application of a registry; closing the registry is left to who opened it."""
    shared = Shared()
    protocol = Protocol(registry, shared)
    routes: list[BaseRoute] = [
        pieces.route(registry, _identify),
        Mount(PREFIX, app=Api(registry, _identify)),
        *site.routes(registry),
    ]

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        worker = Worker(registry)
        worker.start()
        counting = asyncio.create_task(_count(registry, shared.pulls))
        try:
            yield
        finally:
            counting.cancel()
            await anyio.to_thread.run_sync(worker.stop)
            await anyio.to_thread.run_sync(shared.pulls.write, registry)

    return App(registry.settings, protocol, Starlette(routes=routes, lifespan=lifespan))


async def _count(registry: Registry, pulls: Pulls) -> None:
    """Write down now and then what was pulled."""
    while True:
        await asyncio.sleep(_COUNT_S)
        try:
            await anyio.to_thread.run_sync(pulls.write, registry)
        except errors.LabError as error:  # as a full disk: these pulls are not counted
            print(f"pulls were not counted: {error}", file=sys.stderr, flush=True)


def _identify(registry: Registry, request: Request) -> Identity:
    address = request.client.host if request.client else ""
    authorization = request.headers.get("authorization", "")
    found = None if authorization else _by_session(registry, request, address)
    return found or authentication.identify(registry, authorization, address)


def _by_session(registry: Registry, request: Request, address: str) -> Identity | None:
    """Return who has signed in on the page; what changes something has to come from a page of ours.

    Raises: NotPermitted.
    """
    key = request.cookies.get(cookie_name(request), "")
    session = sessions.find(registry, key) if key else None
    if session is None:
        return None
    if request.method not in ("GET", "HEAD") and not sessions.is_token(
        key, request.headers.get("x-csrf-token", "")
    ):
        raise errors.NotPermitted("the request lacks the X-CSRF-Token of the page", "load the page again")
    return sessions.identity(registry, session, address)
