"""Durations as Go writes them: 1h30m, 1.5s, 300ms."""

from __future__ import annotations

import re
from decimal import Decimal

from containerlab.errors import InvalidInput

__all__ = ["nanoseconds"]

_UNITS_NS = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "μs": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}
_NUMBER = r"(\d{1,20}\.?\d{0,20}|\.\d{1,20})"
_PART = re.compile(rf"{_NUMBER}(ns|us|µs|μs|ms|s|m|h)", re.ASCII)
_DURATION = re.compile(rf"[+-]?(?:{_PART.pattern}){{1,20}}", re.ASCII)
_MOST_NS = 2**63 - 1


def nanoseconds(text: str) -> int:
    """Read a duration; a unit is needed for all but 0.

    >>> nanoseconds("1m30s"), nanoseconds("1.5ms")
    (90000000000, 1500000)
    """
    if text in ("0", "+0", "-0"):
        return 0
    if not _DURATION.fullmatch(text):
        raise InvalidInput(f"not a duration: {text[:80]!r}", "write it as 30s, 1m30s or 500ms")
    total = sum(int(Decimal(number) * _UNITS_NS[unit]) for number, unit in _PART.findall(text))
    if total > _MOST_NS:
        raise InvalidInput(f"the duration is too long: {text[:80]!r}")
    return -total if text.startswith("-") else total
