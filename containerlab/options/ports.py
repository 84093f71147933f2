"""Ports as options name them."""

from __future__ import annotations

import re

from containerlab.errors import InvalidInput

__all__ = ["exposed_port"]

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
