"""How busy the processors are, and whether it was others who kept them so.

Source: Documentation/accounting/psi.rst; proc_stat(5).
"""

from __future__ import annotations

import os
import re
import time
from typing import NamedTuple

__all__ = ["RULE", "Glance", "Noise", "glance", "idle_window", "noise"]

_WINDOW_S = 0.05
_MOST_WAITING_PCT = 20.0
_MOST_OF_OTHERS = 0.25
_SHORTEST_S = 0.2
"""The kernel counts busy time in ticks of 10 ms: in less of it, a share says little."""
RULE = (
    f"noisy: in the {_WINDOW_S * 1000:g} ms before it, in which nothing of ours ran, something waited for a "
    f"processor for more than {_MOST_WAITING_PCT:g} % of the time; or others took more than "
    f"{_MOST_OF_OTHERS:.0%} of all processors while it ran"
)


class Glance(NamedTuple):
    """What the kernel had counted at a moment: seconds since its start."""

    at: float
    waited_s: float
    """Time in which at least one process waited for a processor; 0 where nobody counts it."""
    busy_s: float
    """Of all processors together."""
    own_s: float
    """Of that, what the comparison itself used."""


class Noise(NamedTuple):
    """What disturbed a round."""

    before_pct: float
    during_pct: float
    """Our own processes wait too: this alone condemns no round."""
    is_noisy: bool


def glance(own_usec: int = 0) -> Glance:
    """Look now. own_usec: processor time of the groups of what is compared."""
    spent = os.times()
    own_s = own_usec / 1e6 + spent.user + spent.system + spent.children_user + spent.children_system
    return Glance(time.monotonic(), waited_s(_text("/proc/pressure/cpu")), busy_s(_text("/proc/stat")), own_s)


def idle_window() -> float:
    """Do nothing for a moment, and return for how many per cent of it somebody waited for a processor."""
    before = glance()
    time.sleep(_WINDOW_S)
    return waiting_pct(before, glance())


def noise(before_pct: float, start: Glance, end: Glance) -> Noise:
    """Judge a round by `RULE`."""
    wall_s = end.at - start.at
    others_s = (end.busy_s - start.busy_s) - (end.own_s - start.own_s)
    share = others_s / (wall_s * (os.cpu_count() or 1)) if wall_s >= _SHORTEST_S else 0.0
    is_noisy = before_pct > _MOST_WAITING_PCT or share > _MOST_OF_OTHERS
    return Noise(before_pct, waiting_pct(start, end), is_noisy)


def waiting_pct(start: Glance, end: Glance) -> float:
    """Return for how many per cent of the time between somebody waited."""
    wall_s = end.at - start.at
    return min(100.0, 100 * (end.waited_s - start.waited_s) / wall_s) if wall_s > 0 else 0.0


def waited_s(pressure: str) -> float:
    """Read /proc/pressure/cpu.

    >>> waited_s("some avg10=0.00 avg60=0.00 avg300=0.00 total=1500000\\n")
    1.5
    """
    found = re.search(r"^some .*total=(\d+)", pressure, re.MULTILINE)
    return int(found[1]) / 1e6 if found else 0.0


def busy_s(stat: str) -> float:
    """Read /proc/stat: user, nice, system, irq, softirq and steal of all processors; guests are in user.

    >>> busy_s("cpu  100 0 50 9000 7 1 2 0 0 0\\n") * os.sysconf("SC_CLK_TCK")
    153.0
    """
    user, nice, system, _, _, irq, softirq, steal = map(int, stat.split(maxsplit=9)[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def _text(path: str) -> str:
    try:
        with open(path) as file:
            return file.read()
    except OSError:  # a kernel without pressure stall information
        return ""
