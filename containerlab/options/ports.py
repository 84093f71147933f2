"""Ports as options name them."""

from __future__ import annotations

import re
from typing import NamedTuple

from containerlab.errors import InvalidInput

__all__ = ["Published", "exposed_port", "published"]

_PORT = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?(?:/(tcp|udp|sctp))?")
_LARGEST = 65535


def exposed_port(value: str | int) -> str:
    """Read a port that a program listens on: 80, 53/udp, 8000-8010.

    >>> exposed_port(80), exposed_port("53/udp")
    ('80', '53/udp')
    """
    match = _PORT.fullmatch(str(value))
    if not match or not 0 < int(match[1]) <= int(match[2] or match[1]) <= _LARGEST:
        raise InvalidInput(f"not a port: {value!r}", "write 80, 53/udp or 8000-8010")
    return str(value)


class Published(NamedTuple):
    """A port of a guest that the host answers for. host_port: 0 for a free one."""

    address: str
    host_port: int
    port: int
    protocol: str

    def __str__(self) -> str:
        place = f"[{self.address}]" if ":" in self.address else self.address
        return f"{place}:{self.host_port}:{self.port}/{self.protocol}"


_PUBLISHED = re.compile(r"(?:(?:(\[[0-9a-fA-F:.]+\]|[0-9.]+):)?(\d{0,5}):)?(\d{1,5})(?:/(tcp|udp))?")
_LOCAL = "127.0.0.1"


def published(value: str | int | Published) -> Published:
    """Read `-p`: `8080:80`, `127.0.0.1:8080:80/udp`; a port alone is published at a free one.

    >>> published("8080:80"), published(80).host_port
    (Published(address='127.0.0.1', host_port=8080, port=80, protocol='tcp'), 0)
    """
    if isinstance(value, Published):
        return value
    match = _PUBLISHED.fullmatch(str(value))
    if not match:
        raise InvalidInput(f"not a port to publish: {value!r}", "write HOST:GUEST as 8080:80, or 8080:80/udp")
    address, host_port, port, protocol = match.groups()
    for number in (host_port or "1", port):
        if not 0 < int(number) <= _LARGEST:
            raise InvalidInput(f"no such port: {number} in {value!r}", f"ports are 1 to {_LARGEST}")
    return Published((address or _LOCAL).strip("[]"), int(host_port or 0), int(port), protocol or "tcp")
