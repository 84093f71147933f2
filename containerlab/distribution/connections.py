"""Connections to an endpoint and to hosts that it sends one on to: TLS, proxies, plain HTTP where allowed."""

from __future__ import annotations

import functools
import io
import threading
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from containerlab import errors
from containerlab.distribution import pools, realms
from containerlab.distribution.endpoints import Endpoint, TlsFiles, tls_files
from containerlab.distribution.failures import translated
from containerlab.distribution.proxies import proxy_for
from containerlab.distribution.refusals import plain

if TYPE_CHECKING:
    import socket
    from typing import BinaryIO

    from urllib3 import BaseHTTPResponse, PoolManager

__all__ = ["Body", "Bytes", "Connections"]

_CONNECT_S, _READ_S, _COMMIT_S = 30.0, 60.0, 600.0
"""Without a sign of life. After a write the other side may have a blob of many gigabytes to hash."""


class Body(Protocol):
    """What is sent; opened again when it must be sent again."""

    @property
    def size(self) -> int | None:
        """Length in bytes; None sends it in chunks."""

    def open(self) -> BinaryIO: ...


class Bytes:
    """A body that is in memory."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    @property
    def size(self) -> int | None:
        return len(self._content)

    def open(self) -> BinaryIO:
        return io.BytesIO(self._content)


class Connections:
    """Pools of connections; safe for many threads. Nothing is connected before it is used."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._lock = threading.Lock()
        self._sockets = pools.Sockets()
        self._pools: dict[tuple[str, TlsFiles | None], PoolManager] = {}

    @functools.cached_property
    def url(self) -> str:
        """The endpoint's URL; http:// when it may be plain and the other side speaks no TLS."""
        url = self._endpoint.url
        with self._lock:
            if self._endpoint.may_be_plain and not _speaks_tls(
                url, self._sockets, self._endpoint.is_public_only
            ):
                return f"http{url.removeprefix('https')}"
        return url

    def send(
        self, method: str, url: str, headers: dict[str, str], body: bytes | BinaryIO | None, is_chunked: bool
    ) -> BaseHTTPResponse:
        """Send one request, return the answer with its body unread.

        Raises: Dropped when the connection was lost; Unavailable when there is none to be had.
        """
        import urllib3
        from urllib3.exceptions import HTTPError

        wait_s = _READ_S if method in ("GET", "HEAD") else _COMMIT_S
        try:
            return self._pool(url).urlopen(
                method,
                url,
                body=body,
                headers=headers,
                chunked=is_chunked,
                redirect=False,
                retries=False,
                preload_content=False,
                decode_content=False,
                timeout=urllib3.Timeout(connect=_CONNECT_S, read=wait_s),
            )
        except HTTPError as error:
            raise translated(error, url, _CONNECT_S) from error
        except (ValueError, UnicodeError) as error:  # what no header or URL may hold
            raise errors.InvalidInput(f"cannot ask {plain(url)!r}: {plain(str(error))}") from error

    def close(self) -> None:
        """Close what is not in use, and wake whoever waits at what is."""
        self._sockets.shut()
        with self._lock:
            for manager in self._pools.values():
                for key in manager.pools.keys():  # noqa: SIM118 - it cannot be iterated over
                    if pool := manager.pools.get(key):
                        pool.close()  # `clear` would leave that to the garbage collector
                manager.clear()

    def _pool(self, url: str) -> PoolManager:
        proxy = proxy_for(url) or ""
        files = self._files(url) if url.startswith("https:") else None
        with self._lock:
            if (proxy, files) not in self._pools:
                context = (
                    pools.context(files, self._endpoint.is_verified) if url.startswith("https:") else None
                )
                self._pools[proxy, files] = pools.manager(
                    proxy, context, self._sockets, is_public_only=self._endpoint.is_public_only
                )
            return self._pools[proxy, files]

    def _files(self, url: str) -> TlsFiles | None:
        """The endpoint's authorities count for its token server too; its certificates are shown to itself."""
        own = self._endpoint.tls
        parts = urlsplit(url)
        if realms.authority(parts) == realms.authority(urlsplit(self._endpoint.url)):
            return own
        others = tls_files(parts.netloc) or TlsFiles()
        return TlsFiles(others.authorities + (own.authorities if own else ()), others.pairs)


class _Probe(pools.Sockets):
    """Notices when a handshake is done, whatever comes after it."""

    def __init__(self, sockets: pools.Sockets) -> None:
        super().__init__()
        self._sockets = sockets
        self.has_shaken_hands = False

    def keep(self, opened: socket.socket) -> None:
        self.has_shaken_hands = True
        self._sockets.keep(opened)


def _speaks_tls(url: str, sockets: pools.Sockets, is_public_only: bool) -> bool:
    """Say hello in TLS, and tell whether it was understood; nothing is told but that."""
    import ssl

    import urllib3
    from urllib3.exceptions import HTTPError, NewConnectionError, SSLError

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    probe = _Probe(sockets)
    try:
        with pools.manager(proxy_for(url) or "", context, probe, is_public_only=is_public_only) as pool:
            pool.request("HEAD", f"{url}/v2/", retries=False, redirect=False, timeout=urllib3.Timeout(5.0))
    except NewConnectionError:
        return urlsplit(url).port is not None  # with a port, let the request say that nobody listens there
    except SSLError as error:
        return probe.has_shaken_hands or not any(word in str(error) for word in _NO_TLS)
    except HTTPError:
        return (
            probe.has_shaken_hands
        )  # it wants a certificate; or it closed the connection, or waits for more
    return True


_NO_TLS = (
    "WRONG_VERSION_NUMBER",
    "UNEXPECTED_EOF",
    "UNKNOWN_PROTOCOL",
    "HTTP_REQUEST",
    "record layer failure",
)
"""What OpenSSL says when the other side did not understand it, unlike one that wants a certificate."""
