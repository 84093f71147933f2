"""Where webhooks may go: URLs, and none that lead inside."""

from __future__ import annotations

import contextlib
import socket
from typing import NamedTuple
from urllib.parse import urlsplit

from containerlab import errors
from containerlab.distribution.addresses import addresses

__all__ = ["Target", "check", "connect", "parse"]

_PORTS = {"http": 80, "https": 443}
_MAX_URL = 2048


class Target(NamedTuple):
    """A URL, taken apart."""

    is_tls: bool
    host: str
    port: int
    path: str
    """With the query."""


def parse(url: str) -> Target:
    """Take a URL apart.

    >>> parse("https://example.org/hook?a=1")
    Target(is_tls=True, host='example.org', port=443, path='/hook?a=1')

    Raises: InvalidInput.
    """
    shown = repr(url if len(url) <= 100 else f"{url[:100]}…")
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").encode("idna").decode(), parts.port
    except ValueError as error:  # a UnicodeError is one
        raise errors.InvalidInput(f"{shown} is not a URL: {error}") from error
    if parts.scheme not in _PORTS or not host or len(url) > _MAX_URL or not url.isprintable() or " " in url:
        raise errors.InvalidInput(f"{shown} is not a URL to post to", "write https://host/path")
    if parts.username is not None:
        raise errors.InvalidInput(
            "a password in a URL would be shown wherever the URL is", "let the receiver check the signature"
        )
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not path.isascii():
        raise errors.InvalidInput(f"{shown} has letters that a URL must not have", "percent-encode them")
    return Target(parts.scheme == "https", host, port or _PORTS[parts.scheme], path)


def check(url: str, *, allows_private: bool) -> None:
    """Refuse a URL that nothing would ever be sent to; one whose name cannot be resolved now may be later.

    Raises: InvalidInput, NotPermitted.
    """
    target = parse(url)
    with contextlib.suppress(errors.Unavailable):
        addresses(target.host, target.port, allows_private=allows_private)


def connect(target: Target, timeout_s: float, *, allows_private: bool) -> socket.socket:
    """Connect to the first permitted address that answers.

    Raises: NotPermitted, Unavailable.
    """
    problem: OSError | None = None
    for address in addresses(target.host, target.port, allows_private=allows_private):
        try:
            return socket.create_connection((address, target.port), timeout_s)
        except OSError as error:
            problem = error
    raise errors.Unavailable(f"{target.host}:{target.port} does not answer: {problem}") from problem
