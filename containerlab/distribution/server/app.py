"""The application: the protocol, the API and the page as one."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.routing import BaseRoute, Mount

from containerlab.distribution.server.protocol.routes import Protocol
from containerlab.distribution.server.registry import Registry

__all__ = ["create"]


def create(registry: Registry) -> Starlette:
    """Return the ASGI application of a registry; closing the registry is left to who opened it."""

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield

    protocol = Protocol(registry)
    routes: list[BaseRoute] = [Mount("/v2", app=protocol)]
    return Starlette(routes=routes, lifespan=lifespan)
