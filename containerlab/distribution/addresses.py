"""Which addresses a server may connect to by itself: those of the internet, unless its settings allow others.

A name is resolved once, and the connection goes to an address that was looked at, so that a second answer of
the name server (DNS rebinding) changes nothing.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator

from containerlab import errors

__all__ = ["addresses", "is_public"]

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


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


def addresses(host: str, port: int, *, allows_private: bool) -> list[str]:
    """Resolve a host and return the addresses that a server may connect to.

    Raises: NotPermitted when there are only others; Unavailable when there is none at all.
    """
    try:
        answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        reason = (getattr(error, "strerror", "") or str(error)).lower()
        raise errors.Unavailable(f"the address of {host} cannot be found: {reason}") from error
    found = list(dict.fromkeys(str(answer[4][0]) for answer in answers))
    allowed = [address for address in found if allows_private or is_public(address)]
    if not allowed:
        shown = "" if found == [host] else f"{', '.join(found)}, "
        raise errors.NotPermitted(
            f"{host} is {shown}inside the network of the registry",
            "who runs the registry can allow that: registry serve --private-targets",
        )
    return allowed
