"""Pools of connections, and what TLS is spoken with in them."""

from __future__ import annotations

import contextlib
import functools
import os
import threading
import weakref
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from containerlab import errors
from containerlab.distribution.addresses import addresses
from containerlab.distribution.endpoints import TlsFiles
from containerlab.distribution.refusals import plain

if TYPE_CHECKING:
    import socket
    import ssl

    from urllib3 import PoolManager

__all__ = ["Sockets", "context", "manager"]

_KEPT = 16
_PIECE = 128 << 10
_MOST_INTERIM = 20


class Sockets:
    """The sockets of some pools, so that whoever waits at one of them can be woken."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        self._is_shut = False

    def keep(self, opened: socket.socket) -> None:
        """Know of a socket; one that comes too late is shut at once."""
        with self._lock:
            self._kept.add(opened)
            is_late = self._is_shut
        if is_late:
            _shut(opened)

    def shut(self) -> None:
        """End what is read and written on all of them, and on those to come."""
        with self._lock:
            self._is_shut = True
            kept = list(self._kept)
        for each in kept:
            _shut(each)


def _shut(opened: socket.socket) -> None:
    """Past TLS, whose own way to end a connection is not for two threads."""
    import socket

    with contextlib.suppress(OSError):  # it may have ended meanwhile
        socket.socket.shutdown(opened, socket.SHUT_RDWR)


def manager(
    proxy: str, tls: ssl.SSLContext | None, sockets: Sockets, *, is_public_only: bool = False
) -> PoolManager:
    """Make a pool; through a proxy it is the proxy that decides where it goes."""
    import urllib3

    kept: dict[str, Any] = {"maxsize": _KEPT, "ssl_context": tls, "blocksize": _PIECE}
    made: PoolManager
    if proxy:
        parts = urlsplit(proxy)
        pair = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
        headers = urllib3.make_headers(proxy_basic_auth=pair) if parts.username else None
        made = urllib3.ProxyManager(proxy, proxy_headers=headers, **kept)
    else:
        made = urllib3.PoolManager(**kept)
    made.pool_classes_by_scheme = _pools(sockets, is_public_only and not proxy)
    return made


def _pools(sockets: Sockets, is_public_only: bool) -> dict[str, type]:
    from http.client import HTTPException, HTTPResponse

    from urllib3.connection import HTTPConnection, HTTPSConnection
    from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
    from urllib3.exceptions import HTTPError

    class Announced(HTTPResponse):
        """Passes over what comes before the answer, of whatever kind (RFC 9110, 15.2), as long as it ends."""

        _interim = 0

        def _read_status(self) -> tuple[str, int, str]:
            version, status, reason = super()._read_status()  # type: ignore[misc]  # not in typeshed
            if 100 <= status < 200 and status != 101:
                self._interim += 1
                if self._interim > _MOST_INTERIM:
                    raise HTTPException(f"more than {_MOST_INTERIM} answers that are none")
                status = 100  # which is what http.client passes over
            return version, status, reason

    class Guarded(HTTPConnection):
        response_class = Announced

        def connect(self) -> None:
            super().connect()
            sockets.keep(self.sock)

        def _new_conn(self) -> socket.socket:
            if not is_public_only:
                return super()._new_conn()
            name = self._dns_host
            found = addresses(name, self.port or self.default_port, allows_private=False)
            try:
                for address in found[:-1]:
                    self._dns_host = address
                    with contextlib.suppress(HTTPError):
                        return super()._new_conn()
                self._dns_host = found[-1]
                return super()._new_conn()
            finally:
                self._dns_host = name  # which the certificate is for

    class Quiet(Guarded, HTTPSConnection):
        """Without urllib3's warning about unchecked certificates at every request: the user asked for it."""

        def connect(self) -> None:
            super().connect()
            self.is_verified = True

    return {
        "http": type("Pool", (HTTPConnectionPool,), {"ConnectionCls": Guarded}),
        "https": type("Pool", (HTTPSConnectionPool,), {"ConnectionCls": Quiet}),
    }


def context(files: TlsFiles | None, is_verified: bool) -> ssl.SSLContext:
    """Return what TLS is spoken with.

    Raises: InvalidInput when a file is no certificate or key.
    """
    paths = (*files.authorities, *(path for pair in files.pairs for path in pair)) if files else ()
    return _context(files, is_verified, tuple(map(_stamp, paths)))


def _stamp(path: str) -> tuple[int, int, int]:
    """Return what changes when a file is replaced, for a process that lives as long as a notebook."""
    try:
        status = os.stat(path)
    except OSError:
        return 0, 0, 0
    return status.st_ino, status.st_size, status.st_mtime_ns


@functools.lru_cache(maxsize=32)
def _context(
    files: TlsFiles | None, is_verified: bool, stamps: tuple[tuple[int, int, int], ...]
) -> ssl.SSLContext:
    """Reading the system's authorities takes some 20 ms, hence the cache."""
    import ssl

    made = ssl.create_default_context()
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    if not is_verified:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    path = ""
    try:
        for path in files.authorities if files else ():
            made.load_verify_locations(path)
        for path, key in files.pairs if files else ():
            made.load_cert_chain(path, key, password="")
    except (OSError, ssl.SSLError) as error:
        raise errors.InvalidInput(
            f"cannot use the certificate {path}: {plain(str(error))}",
            "it must be PEM, with its key unencrypted",
        ) from error
    return made
