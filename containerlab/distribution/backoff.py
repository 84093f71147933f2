"""How long to wait before something is tried again, unless the other side says so."""

from __future__ import annotations

import random

__all__ = ["FURTHEST_S", "delay_s", "is_given_up"]

FURTHEST_S = 3600.0
"""Nothing in a queue is tried later than this: a time beyond it was written before the clock was set back."""
_MOST_DOUBLINGS = 20
_AWAY_S, _LEAST = 86400.0, 50


def delay_s(tries: int, first_s: float, most_s: float) -> float:
    """Return the seconds to wait after so many tries: twice as long each time, up to a bound.

    Up to half of it is chance: those who were turned away together should not come back together.

    >>> 0.5 <= delay_s(1, 1.0, 300.0) <= 1.0, 150 <= delay_s(50, 1.0, 300.0) <= 300
    (True, True)
    """
    longest_s = min(most_s, first_s * 2 ** min(tries - 1, _MOST_DOUBLINGS))
    return random.uniform(longest_s / 2, longest_s)


def is_given_up(tries: int, age_s: float) -> bool:
    """Tell whether something was tried for a day: often too, as the clock may have been set forward.

    >>> is_given_up(300, 90_000.0), is_given_up(2, 90_000.0)
    (True, False)
    """
    return age_s > _AWAY_S and tries >= _LEAST
