"""One line of the table: ours beside a peer, and the goal."""

from __future__ import annotations

from typing import NamedTuple

from benchmarks.measure import Samples

__all__ = ["Figure", "Row", "beside", "milliseconds", "reaching", "within"]


class Figure(NamedTuple):
    """A number with its unit; times: how many measurements it stands for."""

    value: float
    unit: str
    times: int = 1

    def __str__(self) -> str:
        digits = 0 if self.value >= 100 else 1 if self.value >= 10 else 2
        times = f" ({self.times})" if self.times > 1 else ""
        return f"{self.value:,.{digits}f} {self.unit}{times}"


class Row(NamedTuple):
    """ours and theirs in the same unit; better: how many times ours is better than theirs.

    goal: what was to be reached, or empty; met: whether it was, None without a goal or without the peer.
    """

    subject: str
    ours: Figure
    peer: str = ""
    theirs: Figure | None = None
    better: float | None = None
    goal: str = ""
    met: bool | None = None


def within(subject: str, ours: Figure, at_most: float) -> Row:
    """Hold a figure against a bound of its own."""
    return Row(subject, ours, goal=f"≤ {Figure(at_most, ours.unit)}", met=ours.value <= at_most)


def reaching(subject: str, ours: Figure, at_least: float) -> Row:
    """Hold a rate against a bound of its own."""
    return Row(subject, ours, goal=f"≥ {at_least:.3g} {ours.unit}", met=ours.value >= at_least)


def beside(subject: str, ours: Figure, peer: str, theirs: Figure | None, at_least: float = 0) -> Row:
    """Compare; at_least: how many times better ours is to be, 0 without a goal.

    More is better for rates, less for all else.
    """
    goal = f"≥ {at_least:.3g} ×" if at_least else ""
    if theirs is None:
        return Row(subject, ours, peer, goal=goal)
    is_rate = ours.unit.endswith(("/s", "/CPU-s"))
    better = ours.value / theirs.value if is_rate else theirs.value / ours.value
    return Row(subject, ours, peer, theirs, better, goal, better >= at_least if at_least else None)


def milliseconds(samples: Samples) -> Figure:
    """Return the median."""
    return Figure(samples.median_s * 1000, "ms", samples.times)
