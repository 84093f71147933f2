"""Whether the clock on the wall can be gone by, when something is to be forgotten for its age.

It may be set forward, by a day or by years: on a machine without a battery, by somebody's mistake. Then all
that was begun just now is old. So who forgets waits for a day in which the machine has seen time pass.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

__all__ = ["Steadiness"]

_JUMP_S, _PATIENCE_S = 60.0, 86400.0
_LOG = logging.getLogger(__name__)


def _up_s() -> float:
    """Return seconds that nobody sets; those of a suspended machine count (clock_gettime(2))."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Steadiness:
    """Watches one clock; asked again and again, by one thread."""

    def __init__(self, now: Callable[[], float], up_s: Callable[[], float] = _up_s) -> None:
        self._now, self._up_s = now, up_s
        self._trusted = now() - up_s()
        """How far the clock is ahead of the machine, as long as that can be relied on."""
        self._since: float | None = None

    def is_steady(self) -> bool:
        """Tell whether the clock was not set forward in the last day; set back it makes nothing older."""
        up = self._up_s()
        ahead = self._now() - up
        if ahead - self._trusted <= _JUMP_S:
            self._trusted, self._since = ahead, None
        elif self._since is None:
            self._since = up
            _LOG.warning("the clock was set forward; nothing is forgotten for its age until tomorrow")
        elif up - self._since >= _PATIENCE_S:
            self._trusted, self._since = ahead, None
        return self._since is None
