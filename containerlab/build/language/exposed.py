"""What EXPOSE names: ports and ranges of ports, with a protocol.

>>> ports("8000-8001/UDP")
['8000/udp', '8001/udp']
"""

from __future__ import annotations

import ipaddress
import re

from containerlab.errors import InvalidInput

__all__ = ["ports"]

_PROTOCOLS = ("tcp", "udp", "sctp")
_RANGE = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?")
_LARGEST_PORT = 65535


def ports(text: str) -> list[str]:
    """Return PORT/PROTOCOL for each port of `[ADDRESS:][HOST:]PORT[-PORT][/PROTOCOL]`.

    The part of the host is dropped.

    Raises: InvalidInput.
    """
    address, host, inside = _parts(text)
    number, _, protocol = inside.partition("/")
    protocol = protocol.lower() or "tcp"
    if protocol not in _PROTOCOLS:
        raise InvalidInput(f"EXPOSE {text}: no such protocol: {protocol}", f"one of {', '.join(_PROTOCOLS)}")
    first, last = _range(number, text)
    if host:
        first_host, last_host = _range(host, text)
        if last - first != last_host - first_host and last != first:
            raise InvalidInput(f"EXPOSE {text}: the two ranges are not equally long", "leave out the host's")
    if address:
        _check_address(address, text)
    return [f"{port}/{protocol}" for port in range(first, last + 1)]


def _parts(text: str) -> tuple[str, str, str]:
    *address, host, inside = ["", "", *text.split(":")]
    return ":".join(filter(None, address)) if text.count(":") < 3 else text.rsplit(":", 2)[0], host, inside


def _range(text: str, whole: str) -> tuple[int, int]:
    match = _RANGE.fullmatch(text)
    first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, -1)
    if not match or last < first or last > _LARGEST_PORT:
        raise InvalidInput(f"EXPOSE {whole}: {text or 'nothing'} is no port", "write 80, 80/udp or 8000-8010")
    return first, last


def _check_address(address: str, whole: str) -> None:
    try:
        ipaddress.ip_address(address.strip("[]"))
    except ValueError as error:
        raise InvalidInput(f"EXPOSE {whole}: {address} is no address", "EXPOSE needs none") from error
