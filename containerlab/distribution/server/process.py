"""The process that serves a registry: its socket, its workers, its beginning and its end.

It ends when its standard input does: so it never outlives who started it, however that died.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import ssl
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import msgspec

from containerlab import errors
from containerlab.distribution.server.registry import Examiner, Registry, Settings

if TYPE_CHECKING:
    import uvicorn
    from starlette.applications import Starlette

__all__ = ["Order", "Started", "check", "run"]

_THREADS = 32
"""Of those that hash, write and wait for the disk; a bound on uploads that do so at once."""
_KEEP_ALIVE_S = 75
_GRACE_S = 10
_BACKLOG = 2048


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What such a process is told on its command line."""

    settings: Settings
    socket_fd: int = -1
    """The listening socket that a worker gets; -1 for who makes it."""


class Started(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What it says on its standard output when it can be reached, or why it cannot."""

    url: str = ""
    host: str = ""
    """What the names of images in it begin with."""
    username: str = ""
    password: str = ""
    kind: str = ""
    """The class of the error."""
    error: str = ""
    hint: str = ""


def check(settings: Settings) -> None:
    """Raise InvalidInput when the settings contradict each other or would open a registry to the world."""
    if bool(settings.tls_certificate) != bool(settings.tls_key):
        raise errors.InvalidInput("TLS needs both certificate and key", "give --tls-cert and --tls-key")
    if settings.auth == "none" and not settings.opens_to_all and not is_loopback(settings.host):
        raise errors.InvalidInput(
            f"--auth none at {settings.host} lets everybody who reaches this machine push and delete",
            "use --auth bearer, or say --insecure-open",
        )
    if settings.public_url and not settings.public_url.startswith(("http://", "https://")):
        raise errors.InvalidInput(f"{settings.public_url!r} is no URL", "as https://registry.example")


def is_loopback(host: str) -> bool:
    """Tell whether only this machine reaches an address.

    >>> is_loopback("localhost"), is_loopback("127.0.0.2"), is_loopback("0.0.0.0")
    (True, True, False)
    """
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def listen(settings: Settings) -> socket.socket:
    """Open the socket.

    Raises: Conflict when the port is taken; InvalidInput, NotPermitted.
    """
    host, port = settings.host, settings.port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        where = f"cannot listen at {host}, port {port}"
        if isinstance(error, PermissionError):
            raise errors.NotPermitted(where, "ports below 1024 are for root") from error
        if error.errno == 98:  # EADDRINUSE
            raise errors.Conflict(
                f"{where}: it is taken", "choose another port; 0 takes a free one"
            ) from error
        raise errors.InvalidInput(
            f"{where}: {error.strerror or error}", "is it an address of here?"
        ) from error


def started(settings: Settings, listening: socket.socket) -> Started:
    """Return how the registry can be reached."""
    port = listening.getsockname()[1]
    name = "localhost" if is_loopback(settings.host) else settings.host
    if name in ("0.0.0.0", "::"):
        name = socket.gethostname()
    host = f"[{name}]:{port}" if ":" in name else f"{name}:{port}"
    scheme = "https" if settings.tls_certificate else "http"
    url = settings.public_url.rstrip("/") or f"{scheme}://{host}"
    return Started(url=url, host=url.partition("://")[2].partition("/")[0])


def run(order: Order, examiners: Mapping[str, Examiner], command: Callable[[Order], Sequence[str]]) -> int:
    """Be such a process until standard input ends or a signal comes; return its exit code.

    command: gives the words that start a worker.
    """
    from containerlab.distribution.server import workers

    settings = order.settings
    if order.socket_fd >= 0:
        with socket.socket(fileno=order.socket_fd) as listening:
            _serve(settings, examiners, listening, lambda: None)
        return 0
    try:
        check(settings)
        listening = listen(settings)
        told = _first_start(settings, started(settings, listening))
    except errors.LabError as error:
        _tell(Started(kind=type(error).__name__, error=error.message, hint=error.hint))
        return 1
    with listening:
        if settings.workers == 1:
            _serve(settings, examiners, listening, lambda: _tell(told))
        else:
            workers.supervise(order, listening, command, lambda: _tell(told))
    return 0


def _first_start(settings: Settings, told: Started) -> Started:
    """Make the database, and the first administrator if there is nobody yet."""
    registry = Registry(settings)
    try:
        with registry.database.reading():
            return told
    finally:
        registry.close()


def _tell(told: Started) -> None:
    """Say on standard output that it runs, once, and leave that to nobody else."""
    os.write(1, msgspec.json.encode(told) + b"\n")
    os.dup2(2, 1)


def _serve(
    settings: Settings,
    examiners: Mapping[str, Examiner],
    listening: socket.socket,
    ready: Callable[[], None],
) -> None:
    import asyncio

    import uvicorn
    import uvloop

    from containerlab.distribution.server.app import create

    registry = Registry(settings, dict(examiners))
    server = uvicorn.Server(_config(settings, create(registry)))

    async def serve() -> None:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(_THREADS, "registry"))
        end_with_input(lambda: setattr(server, "should_exit", True))
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        while not server.started and not serving.done():
            await asyncio.sleep(0.01)
        if server.started:
            ready()
        await serving

    try:
        uvloop.run(serve())
    finally:
        registry.close()


def _config(settings: Settings, app: Starlette) -> uvicorn.Config:
    import uvicorn

    config = uvicorn.Config(
        app,
        http="httptools",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
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
