"""Connections to an endpoint and to hosts that it sends one on to: TLS, proxies, plain HTTP where allowed."""

from __future__ import annotations

import functools
import io
import threading
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import unquote, urlsplit

from containerlab import errors
from containerlab.distribution import realms
from containerlab.distribution.addresses import addresses
from containerlab.distribution.endpoints import Endpoint, TlsFiles, tls_files
from containerlab.distribution.proxies import proxy_for
from containerlab.distribution.refusals import Dropped, Unreachable, plain

if TYPE_CHECKING:
    import socket
    import ssl
    from typing import BinaryIO

    from urllib3 import BaseHTTPResponse, PoolManager

__all__ = ["Body", "Bytes", "Connections"]

_CONNECT_S, _READ_S, _COMMIT_S = 30.0, 60.0, 600.0
"""Without a sign of life. After a write the other side may have a blob of many gigabytes to hash."""
_KEPT = 16
_PIECE = 128 << 10


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
        self._pools: dict[tuple[str, TlsFiles | None], PoolManager] = {}

    @functools.cached_property
    def url(self) -> str:
        """The endpoint's URL; http:// when it may be plain and the other side speaks no TLS."""
        url = self._endpoint.url
        with self._lock:
            if self._endpoint.may_be_plain and not _speaks_tls(url, self._endpoint.is_public_only):
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
            raise _translated(error, url, self._endpoint) from error
        except (ValueError, UnicodeError) as error:  # what no header or URL may hold
            raise errors.InvalidInput(f"cannot ask {plain(url)!r}: {plain(str(error))}") from error

    def close(self) -> None:
        """Close what is not in use."""
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
                context = _context(files, self._endpoint.is_verified) if url.startswith("https:") else None
                self._pools[proxy, files] = _manager(proxy, context, self._endpoint.is_public_only)
            return self._pools[proxy, files]

    def _files(self, url: str) -> TlsFiles | None:
        """The endpoint's authorities count for its token server too; its certificates are shown to itself."""
        own = self._endpoint.tls
        parts = urlsplit(url)
        if realms.authority(parts) == realms.authority(urlsplit(self._endpoint.url)):
            return own
        others = tls_files(parts.netloc) or TlsFiles()
        return TlsFiles(others.authorities + (own.authorities if own else ()), others.pairs)


def _manager(proxy: str, context: ssl.SSLContext | None, is_public_only: bool = False) -> PoolManager:
    """Make a pool; through a proxy it is the proxy that decides where it goes."""
    import urllib3

    kept: dict[str, Any] = {"maxsize": _KEPT, "ssl_context": context, "blocksize": _PIECE}
    manager: PoolManager
    if proxy:
        parts = urlsplit(proxy)
        pair = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
        headers = urllib3.make_headers(proxy_basic_auth=pair) if parts.username else None
        manager = urllib3.ProxyManager(proxy, proxy_headers=headers, **kept)
    else:
        manager = urllib3.PoolManager(**kept)
    manager.pool_classes_by_scheme = _pools(is_public_only and not proxy)
    return manager


@functools.cache
def _pools(is_public_only: bool) -> dict[str, type]:
    from urllib3.connection import HTTPConnection, HTTPSConnection
    from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

    class Guarded(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            if not is_public_only:
                return super()._new_conn()
            name = self._dns_host
            self._dns_host = addresses(name, self.port or self.default_port, allows_private=False)[0]
            try:
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


@functools.lru_cache(maxsize=32)
def _context(files: TlsFiles | None, is_verified: bool) -> ssl.SSLContext:
    """Make what TLS is spoken with. Reading the system's authorities takes some 20 ms, hence the cache.

    Raises: InvalidInput when a file is no certificate or key.
    """
    import ssl

    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if not is_verified:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    path = ""
    try:
        for path in files.authorities if files else ():
            context.load_verify_locations(path)
        for path, key in files.pairs if files else ():
            context.load_cert_chain(path, key, password="")
    except (OSError, ssl.SSLError) as error:
        raise errors.InvalidInput(
            f"cannot use the certificate {path}: {plain(str(error))}",
            "it must be PEM, with its key unencrypted",
        ) from error
    return context


def _speaks_tls(url: str, is_public_only: bool) -> bool:
    """Say hello in TLS, and tell whether it was understood; nothing but the hello is sent."""
    import ssl

    import urllib3
    from urllib3.exceptions import HTTPError, NewConnectionError, SSLError

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with _manager(proxy_for(url) or "", context, is_public_only) as pool:
            pool.request("HEAD", f"{url}/v2/", retries=False, redirect=False, timeout=urllib3.Timeout(5.0))
    except NewConnectionError:
        return urlsplit(url).port is not None  # with a port, let the request say that nobody listens there
    except SSLError as error:
        return not any(word in str(error) for word in _NO_TLS)
    except HTTPError:
        return False  # it closed the connection, or waits for more
    return True


_NO_TLS = (
    "WRONG_VERSION_NUMBER",
    "UNEXPECTED_EOF",
    "UNKNOWN_PROTOCOL",
    "HTTP_REQUEST",
    "record layer failure",
)
"""What OpenSSL says when the other side did not understand it, unlike one that wants a certificate."""


def _translated(error: Exception, url: str, endpoint: Endpoint) -> errors.LabError:
    from urllib3 import exceptions as failures

    host = urlsplit(url).netloc
    if isinstance(error.__context__, errors.NotPermitted):  # an OSError to urllib3, which wraps it
        return error.__context__
    if isinstance(error, failures.ProxyError):
        return errors.Unavailable(
            f"cannot reach {host} through the proxy: {_cause(error)}",
            "look at HTTPS_PROXY, HTTP_PROXY and NO_PROXY",
        )
    if isinstance(error, failures.SSLError):
        return _tls_error(error, host)
    if isinstance(error, failures.NameResolutionError):
        return errors.Unavailable(
            f"cannot find {host}: there is no such host", "look at its name, and at your network"
        )
    if isinstance(error, failures.NewConnectionError):
        return Unreachable(f"cannot connect to {host}: {_cause(error)}", "does the registry run there?")
    if isinstance(error, failures.ConnectTimeoutError):
        return Unreachable(
            f"cannot connect to {host}: no answer for {_CONNECT_S:.0f} s", "look at your network"
        )
    if isinstance(error, failures.ReadTimeoutError):
        return Dropped(f"{host} fell silent", "try again")
    if isinstance(error, failures.ProtocolError):
        return Dropped(f"the connection to {host} was lost: {_cause(error)}", "try again")
    return errors.Unavailable(f"cannot ask {host}: {plain(str(error))}")


def _tls_error(error: Exception, host: str) -> errors.LabError:
    text = str(error)
    if "WRONG_VERSION_NUMBER" in text or "record layer failure" in text:
        return errors.Unavailable(
            f"{host} speaks plain HTTP, not HTTPS",
            "if that is meant: --tls-verify=false, or `insecure` in registries.conf",
        )
    if "CERTIFICATE_VERIFY_FAILED" in text:
        reason = text.partition("verify failed: ")[2].partition(" (_ssl")[0]
        hint = f"put the certificate of its authority into ~/.config/containers/certs.d/{host}/ca.crt"
        return errors.NotPermitted(f"the certificate of {host} cannot be trusted: {plain(reason)}", hint)
    if "CERTIFICATE_REQUIRED" in text or "HANDSHAKE_FAILURE" in text:
        hint = f"put client.cert and client.key into ~/.config/containers/certs.d/{host}/"
        return errors.NotPermitted(
            f"{host} refused the TLS connection: it may want a client certificate", hint
        )
    return errors.Unavailable(f"no TLS connection to {host}: {_cause(error)}")


def _cause(error: BaseException) -> str:
    """Return the innermost reason in words: urllib3 wraps errors several times."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return plain((getattr(error, "strerror", "") or str(error)).lower()) or type(error).__name__
