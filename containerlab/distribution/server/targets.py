"""Where a server goes by itself: the addresses of webhooks and other registries, and none inside.

A name is resolved once, and the connection goes to an address that was looked at, so that a second answer of
the name server (DNS rebinding) changes nothing.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import urlsplit

from containerlab import errors

__all__ = ["Target", "check", "connect", "is_public", "parse", "public_addresses"]

_PORTS = {"http": 80, "https": 443}
_MAX_URL = 2048
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


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


def is_public(address: str) -> bool:
    """Tell whether an address is one of the internet: not of this machine, its network, or nobody's.

    An address that carries another one (IPv4 in IPv6, by whatever gateway) is what it carries, too.

    >>> is_public("93.184.216.34"), is_public("169.254.169.254"), is_public("::ffff:127.0.0.1")
    (True, False, False)
    """
    found = ipaddress.ip_address(address.partition("%")[0])
    return all(each.is_global and not each.is_multicast for each in _meanings(found))


def _meanings(address: _Address) -> Iterator[_Address]:
    if isinstance(address, ipaddress.IPv4Address):
        yield address
        return
    carried = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in _NAT64:
        carried.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    found = [each for each in carried if each is not None]
    yield from found
    if address.ipv4_mapped is None:  # which is never global by itself
        yield address


def public_addresses(host: str, port: int, *, allows_private: bool) -> list[str]:
    """Resolve a host and return the addresses that a server may connect to.

    Raises: NotPermitted when there are only others; Unavailable when there is none at all.
    """
    try:
        answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise errors.Unavailable(f"the address of {host} cannot be found: {error}") from error
    found = list(dict.fromkeys(str(answer[4][0]) for answer in answers))
    allowed = [address for address in found if allows_private or is_public(address)]
    if not allowed:
        raise errors.NotPermitted(
            f"{host} is {', '.join(found)}, inside the network of the registry",
            "the registry's administrator can allow private targets",
        )
    return allowed


def check(url: str, *, allows_private: bool) -> None:
    """Refuse a URL that nothing would ever be sent to; one whose name cannot be resolved now may be later.

    Raises: InvalidInput, NotPermitted.
    """
    target = parse(url)
    with contextlib.suppress(errors.Unavailable):
        public_addresses(target.host, target.port, allows_private=allows_private)


def connect(target: Target, timeout_s: float, *, allows_private: bool) -> socket.socket:
    """Connect to the first permitted address that answers.

    Raises: NotPermitted, Unavailable.
    """
    problem: OSError | None = None
    for address in public_addresses(target.host, target.port, allows_private=allows_private):
        try:
            return socket.create_connection((address, target.port), timeout_s)
        except OSError as error:
            problem = error
    raise errors.Unavailable(f"{target.host}:{target.port} does not answer: {problem}") from problem
