"""How long to wait before something is tried again, unless the other side says so."""

from __future__ import annotations

import random

__all__ = ["delay_s"]

_MOST_DOUBLINGS = 20


def delay_s(tries: int, first_s: float, most_s: float) -> float:
    """Return the seconds to wait after so many tries: twice as long each time, up to a bound.

    Up to half of it is chance: those who were turned away together should not come back together.

    >>> 0.5 <= delay_s(1, 1.0, 300.0) <= 1.0, 150 <= delay_s(50, 1.0, 300.0) <= 300
    (True, True)
    """
    longest_s = min(most_s, first_s * 2 ** min(tries - 1, _MOST_DOUBLINGS))
    return random.uniform(longest_s / 2, longest_s)
