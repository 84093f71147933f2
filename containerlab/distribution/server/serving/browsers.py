"""Telling a page of somebody else's apart, that works through the browser of a visitor.

A browser sends along what it knows (a password for Basic), and reaches this machine where only its owner can.
So another site could push and delete: with a form, or after its name was made to lead here (DNS rebinding).
Browsers say where a request comes from; programs do not, and are not asked.
Source: Fetch Metadata Request Headers (W3C), RFC 6454.
"""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, Response
from starlette.types import Scope

from containerlab.distribution.server.registry import Settings

__all__ = ["refusal"]

_SAFE = ("GET", "HEAD", "OPTIONS")
_OWN = ("", "same-origin", "none")
"""Empty: an old browser; none: the address was typed, or is a bookmark."""


def refusal(settings: Settings, scope: Scope) -> Response | None:
    """Return the answer to a request that a browser sends for somebody else; None for all others."""
    headers = scope.get("headers", ())
    if not any(name in (b"sec-fetch-site", b"origin") for name, _ in headers):
        return None
    found = _problem(settings, scope["method"], Headers(raw=headers))
    return PlainTextResponse(f"{found[1]}\n", found[0]) if found else None


def _problem(settings: Settings, method: str, headers: Headers) -> tuple[int, str] | None:
    site, origin, host = (headers.get(name, "") for name in ("sec-fetch-site", "origin", "host"))
    if method not in _SAFE and (site not in _OWN or (origin and urlsplit(origin).netloc != host)):
        return 403, "a page of another site sent this; nothing was done"
    # Where nobody signs in, reading is enough: whoever's page it is has all the visitor has.
    if settings.auth == "none" and not _is_ours(settings, host):
        return 421, f"this registry is not known as {host[:255]!r}; start it with --public-url if it shall be"
    return None


def _is_ours(settings: Settings, host: str) -> bool:
    """Tell whether nobody else can have given this name: addresses, and names of this machine."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    known = {"localhost", socket.gethostname().lower(), settings.host.lower()}
    known.add(urlsplit(settings.public_url).hostname or "localhost")
    return name in known or name.endswith(".localhost") or _is_address(name)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
