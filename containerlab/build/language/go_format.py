"""How history writes lists and checks: as the programs in Go do that began it."""

from __future__ import annotations

import json
from collections.abc import Iterable

from containerlab.oci.image import Healthcheck

__all__ = ["duration", "healthcheck", "plain_list", "quoted_list"]

_UNITS = ((3_600_000_000_000, "h"), (60_000_000_000, "m"))


def plain_list(words: Iterable[str]) -> str:
    """Write as %v: `[a b]`."""
    return f"[{' '.join(words)}]"


def quoted_list(words: Iterable[str]) -> str:
    """Write as %q: `["a" "b"]`."""
    return plain_list(json.dumps(word, ensure_ascii=False) for word in words)


def duration(nanoseconds: int) -> str:
    """Write a duration.

    >>> duration(90_500_000_000), duration(0)
    ('1m30.5s', '0s')
    """
    text = ""
    for size, unit in _UNITS:
        if nanoseconds >= size or text:
            text += f"{nanoseconds // size}{unit}"
            nanoseconds %= size
    if text or nanoseconds >= 1_000_000_000 or not nanoseconds:
        return f"{text}{nanoseconds / 1_000_000_000:g}s"
    size, unit = (
        (1_000_000, "ms") if nanoseconds >= 1_000_000 else (1000, "µs") if nanoseconds >= 1000 else (1, "ns")
    )
    return f"{nanoseconds / size:g}{unit}"


def healthcheck(check: Healthcheck) -> str:
    """Write a check with the names of its fields."""
    times = {
        "Interval": check.interval,
        "Timeout": check.timeout,
        "StartPeriod": check.start_period,
        "StartInterval": check.start_interval,
    }
    told = " ".join(f"{name}:{duration(value)}" for name, value in times.items())
    return f"{{Test:{plain_list(check.test)} {told} Retries:{check.retries}}}"
