"""How busy the processors are, and whether it was others who kept them so.

Source: Documentation/accounting/psi.rst; proc_stat(5).
"""

from __future__ import annotations

import os
import re
import time
from typing import NamedTuple

__all__ = ["RULE", "Glance", "Noise", "Own", "glance", "idle_window", "noise"]

_WINDOW_S = 0.05
_MOST_WAITING_PCT = 20.0
_MOST_OF_OTHERS = 0.25
_SHORTEST_S = 0.2
"""The kernel counts busy time in ticks of 10 ms: in less of it, a share says little."""
RULE = (
    f"noisy: what is compared waited for a processor for over {_MOST_WAITING_PCT:g} % of the round while "
    f"others were busy: in the {_WINDOW_S * 1000:g} ms before it, in which nothing of ours ran, somebody "
    f"waited as long, or others took more than {_MOST_OF_OTHERS:.0%} of all processors meanwhile"
)


class Own(NamedTuple):
    """What is compared used so far, and how long some of it waited for a processor; None: nobody counts."""

    cpu_usec: int = 0
    waited_usec: int | None = None


_NOTHING = Own()


class Glance(NamedTuple):
    """What the kernel had counted at a moment: seconds since its start."""

    at: float
    waited_s: float
    """Time in which at least one process waited for a processor; 0 where nobody counts it."""
    busy_s: float
    """Of all processors together."""
    own_s: float
    """Of that, what the comparison itself used."""
    own_waited_s: float | None = None
    """Time in which something of the comparison waited, where that is counted."""


class Noise(NamedTuple):
    """What disturbed a round."""

    before_pct: float
    during_pct: float
    """Our own processes wait too: this alone condemns no round."""
    is_noisy: bool


def glance(own: Own = _NOTHING) -> Glance:
    """Look now. own: what the groups of the comparison have counted; this process is added."""
    spent = os.times()
    own_s = own.cpu_usec / 1e6 + spent.user + spent.system + spent.children_user + spent.children_system
    own_waited_s = None if own.waited_usec is None else own.waited_usec / 1e6 + _delayed_s()
    at = time.monotonic()
    return Glance(at, waited_s(_text("/proc/pressure/cpu")), busy_s(_text("/proc/stat")), own_s, own_waited_s)


def _delayed_s() -> float:
    """Return how long this thread has waited. Source: Documentation/scheduler/sched-stats.rst."""
    fields = _text("/proc/thread-self/schedstat").split()
    return int(fields[1]) / 1e9 if len(fields) > 1 else 0.0


def idle_window() -> float:
    """Do nothing for a moment, and return for how many per cent of it somebody waited for a processor."""
    before = glance()
    time.sleep(_WINDOW_S)
    return waiting_pct(before, glance())


def noise(before_pct: float, start: Glance, end: Glance) -> Noise:
    """Judge a round by `RULE`; where nobody counts how long we waited, by the others alone."""
    wall_s = end.at - start.at
    others_s = (end.busy_s - start.busy_s) - (end.own_s - start.own_s)
    share = others_s / (wall_s * (os.cpu_count() or 1)) if wall_s >= _SHORTEST_S else 0.0
    are_busy = before_pct > _MOST_WAITING_PCT or share > _MOST_OF_OTHERS
    return Noise(before_pct, waiting_pct(start, end), are_busy and _is_delayed(start, end))


def _is_delayed(start: Glance, end: Glance) -> bool:
    if start.own_waited_s is None or end.own_waited_s is None:
        return True
    return 100 * (end.own_waited_s - start.own_waited_s) > _MOST_WAITING_PCT * (end.at - start.at)


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
