"""How long to wait before something is tried again."""

from __future__ import annotations

import random

__all__ = ["delay_s"]

_FIRST_S, _MOST_S, _MOST_DOUBLINGS = 0.5, 300.0, 20


def delay_s(attempts: int, asked_s: float = 0.0) -> float:
    """Return the seconds to wait after so many attempts: twice as long each time, up to five minutes.

    Half of it is chance, so that not all come back at once. asked_s: what the other side asked for, at least.

    >>> 0.5 <= delay_s(1) <= 1.0 and 150 <= delay_s(50) <= 300
    True
    """
    longest = min(_MOST_S, _FIRST_S * 2 ** min(attempts, _MOST_DOUBLINGS))
    return max(asked_s, random.uniform(longest / 2, longest))
