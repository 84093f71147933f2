"""A registry in a process of its own: starting it, reaching it, ending it."""

from __future__ import annotations

import contextlib
import os
import select
import shlex
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import msgspec

from containerlab import errors
from containerlab.distribution.credentials import Credentials
from containerlab.distribution.endpoints import Endpoint, TlsFiles, endpoint, is_loopback
from containerlab.distribution.server.registry import Settings
from containerlab.distribution.server.serving import listening
from containerlab.distribution.server.serving.process import ADMIN_PASSWORD, Order, Started
from containerlab.engine import asking
from containerlab.engine.registries.process import command
from containerlab.engine.registries.remote import RemoteRegistry
from containerlab.store.holdings import registry_database
from containerlab.store.home import Home
from containerlab.views import html

if TYPE_CHECKING:
    from typing import Self

    from containerlab.engine.engine import Engine

__all__ = ["RegistryServer", "serve"]

_START_S = 30.0
_END_S = 20.0
_MOST_LOG_BYTES = 1 << 20
_NAMES = {
    "tls_cert": "tls_certificate",
    "insecure_open": "opens_to_all",
    "keep_events": "events_age_s",
    "private_targets": "allows_private_targets",
}
"""Options whose settings have other names."""


class RegistryServer(html.Shown, RemoteRegistry):
    """A registry that runs; it ends with the process that started it, or with `stop`.

    Its nouns are there with the right of the administrator: `reg.organizations.create("lab")`.
    """

    def __init__(
        self, order: Order, process: subprocess.Popen[bytes], told: Started, log: Path | None
    ) -> None:
        super().__init__(_endpoint(order.settings, told), Credentials(told.username, told.password))
        self._process, self._log = process, log
        self.settings = order.settings
        """As it was started."""
        self._reset = f"conlab registry password{_where(order.settings)}" if told.is_known else ""
        self.url = told.url
        """As `http://localhost:5000`."""
        self.username = told.username
        self.password = told.password

    @property
    def log(self) -> str:
        """Return what it has written down: a line for each request that was refused."""
        return self._log.read_text(errors="replace") if self._log else ""

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def wait(self) -> int:
        """Wait until it ends, and return its exit code."""
        return self._process.wait()

    def stop(self) -> None:
        """End it: what is under way is finished first."""
        self.close()
        _end(self._process)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def to_text(self) -> str:
        if not self.is_running:
            return f"the registry at {self.url} has ended"
        return f"registry at {self.url}{self._login()}{self._warning()}"

    def _warning(self) -> str:
        settings = self.settings
        if settings.tls_certificate or settings.public_url or is_loopback(settings.host):
            return ""
        return "\nwhat is sent to it can be read on the way: give --tls-cert and --tls-key"

    def _login(self) -> str:
        if self.password:
            return f"\nlogin: {self.username}, password: {self.password}"
        return f"\nforgotten the password? {self._reset}" if self._reset else ""

    def to_html(self) -> str:
        if not self.is_running:
            return html.pre(self.to_text())
        url = html.text(self.url)
        login = ""
        if self.password:
            login = f" · <code>{html.text(self.username)}</code> <code>{html.text(self.password)}</code>"
        return f'<div>registry at <a href="{url}">{url}</a>{login}</div>'


def serve(engine: Engine, given: dict[str, Any]) -> RegistryServer:
    """Start a registry and wait until it answers; the one that runs already when a cell is run again.

    Raises: InvalidInput, Conflict when the port is taken; Unavailable when it does not start.
    """
    password = ""
    if given.pop("admin_password_stdin", False):
        password = asking.read_line()
    settings = _settings(engine, given)
    listening.check(settings)
    if engine.face == "terminal":
        return _in_foreground(_start(Order(settings=settings), password=password))
    for server in engine.servers:
        if settings.port and server.settings == settings:
            return server
    server = _start(
        Order(settings=settings, wants_login=True, bounds_log=True), _log_file(settings), password
    )
    engine.keep(server)
    return server


def _in_foreground(server: RegistryServer) -> RegistryServer:
    print(server.to_text(), flush=True)
    with server, contextlib.suppress(KeyboardInterrupt):
        server.wait()
    return server


def _log_file(settings: Settings) -> Path:
    """Return where a server writes that has no terminal; what is too long by now is dropped."""
    directory = registry_database(Home.open(settings.storage or None)).parent
    directory.mkdir(mode=0o700, exist_ok=True)
    log = directory / "server.log"
    if log.exists() and log.stat().st_size > _MOST_LOG_BYTES:
        log.unlink()
    return log


def _settings(engine: Engine, given: dict[str, Any]) -> Settings:
    named = {_NAMES.get(name, name): value for name, value in given.items() if name != "no_delete"}
    named.setdefault("storage", engine.home)
    return msgspec.convert({**named, "deletes": not given.get("no_delete", False)}, Settings)


def _where(settings: Settings) -> str:
    return f" --storage {shlex.quote(settings.storage)}" if settings.storage else ""


def _endpoint(settings: Settings, told: Started) -> Endpoint:
    """Return where it is reached from here; whoever started it trusts its certificate."""
    where = endpoint(told.host)
    if not settings.tls_certificate:
        return where
    return msgspec.structs.replace(where, tls=TlsFiles(authorities=(settings.tls_certificate,)))


def _start(order: Order, log: Path | None = None, password: str = "") -> RegistryServer:
    with _opened(log) as stderr:
        process = subprocess.Popen(
            command(order),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env={**os.environ, ADMIN_PASSWORD: password} if password else None,
            start_new_session=True,  # Ctrl-C is for who waits, not for the server
        )
    assert process.stdout is not None
    try:
        with process.stdout as said:
            told = _told(said)
        if told.error or not told.url:
            kind: type[errors.LabError] = getattr(errors, told.kind, errors.Unavailable)
            hint = f"look into {log}" if log else ""
            raise kind(told.error or "the registry did not start", told.hint or hint)
    except BaseException:
        _end(process)
        raise
    return RegistryServer(order, process, told, log)


@contextlib.contextmanager
def _opened(log: Path | None) -> Iterator[int | None]:
    """Open a log to add to it; without one, the server writes where this process does."""
    if log is None:
        yield None
        return
    fd = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        yield fd
    finally:
        os.close(fd)


def _told(said: IO[bytes]) -> Started:
    line, limit = b"", time.monotonic() + _START_S
    while not line.endswith(b"\n"):
        ready, _, _ = select.select([said], [], [], max(0.0, limit - time.monotonic()))
        if not ready:
            raise errors.TimedOut(f"the registry did not start within {_START_S:.0f} s")
        piece = os.read(said.fileno(), 65536)
        if not piece:
            return Started()
        line += piece
    return msgspec.json.decode(line, type=Started)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.stdin and not process.stdin.closed:
        process.stdin.close()
    try:
        process.wait(_END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
