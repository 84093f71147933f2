"""The API of a registry over HTTP, from a thread of the test: who asks is taken on trust from Basic."""

from __future__ import annotations

import base64
import http.client
import socket
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from urllib.parse import urlencode

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Mount

from containerlab.distribution.api.client import Client
from containerlab.distribution.api.operation import PREFIX
from containerlab.distribution.api.registry_api import RegistryApi
from containerlab.distribution.server.api.app import Api
from containerlab.distribution.server.archives import pieces
from containerlab.distribution.server.registry import Registry
from containerlab.distribution.server.rights import ANONYMOUS, Identity, Level

IDENTITIES = {
    "root": Identity(name="root", is_admin=True),
    "ann": Identity(name="ann", rights={"lab/": Level.MANAGE}),
    "bob": Identity(name="bob", rights={"lab/base": Level.READ}),
}


class Direct:
    """An exchange without anything around it."""

    def __init__(self, port: int, name: str = "", password: str = "x") -> None:
        self.port, self._name, self._password = port, name, password

    @contextmanager
    def request(
        self,
        method: str,
        path: str,
        *,
        query: Sequence[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        scope: str = "",
        expect: Collection[int] = (),
    ) -> Iterator[http.client.HTTPResponse]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        sent = dict(headers or {})
        if self._name:
            sent["Authorization"] = (
                "Basic " + base64.b64encode(f"{self._name}:{self._password}".encode()).decode()
            )
        try:
            connection.request(method, f"{path}?{urlencode(query)}" if query else path, body, sent)
            yield connection.getresponse()
        finally:
            connection.close()


def _identify(registry: Registry, request: Request) -> Identity:
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    name = base64.b64decode(value).decode().partition(":")[0] if scheme == "Basic" else ""
    return IDENTITIES.get(name, ANONYMOUS)


@contextmanager
def served(registry: Registry) -> Iterator[int]:
    """Serve the API and give the port."""
    listener = socket.create_server(("127.0.0.1", 0))
    app = Starlette(routes=[pieces.route(registry, _identify), Mount(PREFIX, Api(registry, _identify))])
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off", loop="asyncio"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


def as_user(port: int, name: str) -> RegistryApi:
    """Return the API as one of `IDENTITIES` sees it; empty: as somebody who did not sign in."""
    return RegistryApi(Client(Direct(port, name)))
