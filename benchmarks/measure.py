"""Times, taken in turns, and their medians."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

__all__ = ["Contestant", "Samples", "alternate", "timed"]


class Contestant(NamedTuple):
    """Something to time.

    times: how often; act: does it once and returns the seconds that count.
    """

    name: str
    act: Callable[[], float]
    times: int


class Samples(NamedTuple):
    """The seconds that each repetition took."""

    seconds: tuple[float, ...]

    @property
    def median_s(self) -> float:
        return statistics.median(self.seconds)

    @property
    def times(self) -> int:
        return len(self.seconds)


def timed(action: Callable[[], object]) -> Callable[[], float]:
    """Return a function that does an action and returns how many seconds it took."""

    def act() -> float:
        start = time.perf_counter()
        action()
        return time.perf_counter() - start

    return act


def alternate(contestants: Sequence[Contestant], warm_up: int = 3) -> dict[str, Samples]:
    """Let all take turns, so that what else the machine does meets all alike; slow ones sit rounds out."""
    for contestant in contestants:
        for _ in range(min(warm_up, contestant.times)):
            contestant.act()
    rounds = max(contestant.times for contestant in contestants)
    taken: dict[str, list[float]] = {contestant.name: [] for contestant in contestants}
    for number in range(rounds):
        for name, act, times in contestants:
            if number * times // rounds != (number + 1) * times // rounds:
                taken[name].append(act())
    return {name: Samples(tuple(seconds)) for name, seconds in taken.items()}
