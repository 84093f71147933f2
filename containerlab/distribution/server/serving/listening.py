"""Where a registry listens, and what it may do there."""

from __future__ import annotations

import os
import re
import socket

from containerlab import errors
from containerlab.distribution.endpoints import is_loopback
from containerlab.distribution.server.registry import Settings

__all__ = ["check", "listen", "url"]

_BACKLOG = 2048
_PUBLIC = re.compile(r"https?://[A-Za-z0-9.\-\[\]:]+/?")


def check(settings: Settings) -> None:
    """Raise InvalidInput when the settings contradict each other or would open a registry to the world."""
    if bool(settings.tls_certificate) != bool(settings.tls_key):
        raise errors.InvalidInput("TLS needs both certificate and key", "give --tls-cert and --tls-key")
    if settings.tls_certificate:
        _check_pair(settings)
    if settings.auth == "none" and not settings.opens_to_all and not is_loopback(settings.host):
        raise errors.InvalidInput(
            f"--auth none at {settings.host} lets everybody who reaches this machine push and delete",
            "use --auth bearer, or say --insecure-open",
        )
    if settings.public_url and not _PUBLIC.fullmatch(settings.public_url):
        raise errors.InvalidInput(
            f"{settings.public_url!r} is not the URL of a registry",
            "write it without a path, as the protocol has none: https://registry.example",
        )


def _check_pair(settings: Settings) -> None:
    import ssl

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(settings.tls_certificate, settings.tls_key)
    except FileNotFoundError as error:
        missing = next(
            file for file in (settings.tls_certificate, settings.tls_key) if not os.path.exists(file)
        )
        raise errors.NotFound(f"no such file: {missing}") from error
    except (OSError, ssl.SSLError) as error:
        raise errors.InvalidInput(
            f"the certificate {settings.tls_certificate} and the key {settings.tls_key} cannot be used:"
            f" {error.strerror or error}",
            "both have to be PEM, and belong together",
        ) from error


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


def url(settings: Settings) -> str:
    """Return what clients call it, whose port is known."""
    if settings.public_url:
        return settings.public_url.rstrip("/")
    # Of the loopback addresses, "localhost" is this one wherever there is no other.
    name = "localhost" if settings.host == "127.0.0.1" else settings.host
    if name in ("0.0.0.0", "::"):
        name = socket.gethostname()
    shown = f"[{name}]" if ":" in name else name
    scheme = "https" if settings.tls_certificate else "http"
    return f"{scheme}://{shown}:{settings.port}"
