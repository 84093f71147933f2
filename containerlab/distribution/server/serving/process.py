"""The process that serves a registry: its socket, its workers, its beginning and its end.

It ends when its standard input does: so it never outlives who started it, however that died.
"""

from __future__ import annotations

import contextlib
import os
import resource
import socket
import ssl
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, cast

import msgspec

from containerlab import errors
from containerlab.distribution.server.accounts import identities, proofs, users
from containerlab.distribution.server.registry import Examiner, Registry, Settings
from containerlab.distribution.server.serving import listening

if TYPE_CHECKING:
    import asyncio

    import uvicorn

    from containerlab.distribution.server.serving.app import App

__all__ = ["ADMIN_PASSWORD", "Order", "Started", "end_with_input", "run"]

ADMIN_PASSWORD = "CONTAINERLAB_ADMIN_PASSWORD"
"""In the environment: the password of the first administrator, where nobody reads what is printed."""
_THREADS = 32
"""Of those that hash, write and wait for the disk; a bound on uploads that do so at once."""
_KEEP_ALIVE_S = 75
_GRACE_S = 10
_LOGIN_S = 86400.0
_LOOK_S = 30.0
_MOST_LOG_BYTES = 16 << 20


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What such a process is told on its command line."""

    settings: Settings
    socket_fd: int = -1
    """The listening socket that a worker gets; -1 for who makes it."""
    bounds_log: bool = False
    """Whether standard error is a file of its own, to be begun anew when it is too long."""
    wants_login: bool = False
    """Whether it shall tell a login each time, not only when it makes the first account."""


class Started(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What it says on its standard output when it can be reached, or why it cannot."""

    url: str = ""
    host: str = ""
    """What the names of images in it begin with."""
    username: str = ""
    password: str = ""
    is_known: bool = False
    """Whether somebody knows a password already."""
    kind: str = ""
    """The class of the error."""
    error: str = ""
    hint: str = ""


def run(order: Order, examiners: Mapping[str, Examiner], command: Callable[[Order], Sequence[str]]) -> int:
    """Be such a process until standard input ends or a signal comes; return its exit code.

    command: gives the words that start a worker.
    """
    from containerlab.distribution.server.serving import workers

    settings = order.settings
    if order.socket_fd >= 0:
        with socket.socket(fileno=order.socket_fd) as server:
            _serve(order, examiners, server, lambda: None)
        return 0
    try:
        for module in ("httptools", "starlette", "uvicorn", "uvloop"):
            errors.wanted(module, "a registry")
        listening.check(settings)
        server = listening.listen(settings)
        settings = msgspec.structs.replace(settings, port=server.getsockname()[1])
        order = msgspec.structs.replace(order, settings=settings)
        told = _first_start(order, listening.url(settings))
    except errors.LabError as error:
        _tell(Started(kind=type(error).__name__, error=error.message, hint=error.hint))
        return 1
    with server:
        if settings.workers == 1:
            _serve(order, examiners, server, lambda: _tell(told))
        else:
            workers.supervise(order, server, command, lambda: _tell(told))
    return 0


def _first_start(order: Order, url: str) -> Started:
    """Make the database, and the first administrator if there is nobody yet, whose password is told."""
    told = Started(url=url, host=url.partition("://")[2].partition("/")[0])
    registry = Registry(order.settings)
    try:
        if order.settings.auth == "none":
            return told
        chosen = os.environ.pop(ADMIN_PASSWORD, "")
        password = users.ensure_administrator(registry, chosen)
        told = msgspec.structs.replace(told, is_known=not password or bool(chosen))
        if password and chosen and not order.wants_login:
            return told  # whoever chose it knows it
        if not password and order.wants_login:
            administrator = identities.identity(registry, identities.find(registry, users.FIRST), "")
            with contextlib.suppress(errors.LabError):  # they may have been removed
                password = proofs.log_in_temporarily(registry, administrator, valid_s=_LOGIN_S).secret
        return msgspec.structs.replace(told, username=users.FIRST if password else "", password=password)
    finally:
        registry.close()


def _tell(told: Started) -> None:
    """Say on standard output that it runs, once, and leave that to nobody else."""
    os.write(1, msgspec.json.encode(told) + b"\n")
    os.dup2(2, 1)


def _serve(
    order: Order,
    examiners: Mapping[str, Examiner],
    listener: socket.socket,
    ready: Callable[[], None],
) -> None:
    import asyncio

    import uvicorn
    import uvloop

    from containerlab.distribution.server.serving.app import create

    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    registry = Registry(order.settings, dict(examiners))
    server = uvicorn.Server(_config(order.settings, create(registry)))

    async def serve() -> None:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(_THREADS, "registry"))
        end_with_input(lambda: setattr(server, "should_exit", True))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        bounding = asyncio.create_task(_bound_log()) if order.bounds_log else None
        while not server.started and not serving.done():
            await asyncio.sleep(0.01)
        if server.started:
            ready()
        await serving
        if bounding:
            bounding.cancel()

    try:
        uvloop.run(serve())
    finally:
        registry.close()


async def _bound_log() -> None:
    import asyncio

    from containerlab.distribution.server.protocol import log

    while True:
        await asyncio.sleep(_LOOK_S)
        log.bound(2, _MOST_LOG_BYTES)


def _config(settings: Settings, app: App) -> uvicorn.Config:
    import uvicorn

    from containerlab.distribution.server.serving.connection import Connection

    config = uvicorn.Config(
        app,
        http=cast("type[asyncio.Protocol]", partial(Connection, idle_s=settings.idle_s)),
        ws="none",
        lifespan="on",
        log_config=None,
        log_level="error",  # what is refused has its line already
        access_log=False,
        server_header=False,
        # Or who asks from this machine would choose the address that is logged, and counted for guesses.
        proxy_headers=bool(settings.public_url),
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=_GRACE_S,
        ssl_certfile=settings.tls_certificate or None,
        ssl_keyfile=settings.tls_key or None,
    )
    config.load()
    if config.ssl:
        config.ssl.minimum_version = ssl.TLSVersion.TLSv1_2
    return config


def end_with_input(end: Callable[[], None]) -> None:
    """Call `end` when who started this process has gone or wants it to end."""

    def wait() -> None:
        while os.read(0, 4096):
            pass
        end()

    threading.Thread(target=wait, name="input", daemon=True).start()
