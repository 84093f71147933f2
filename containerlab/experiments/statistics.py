"""What rounds say together: a median, and between what it would lie were they done again."""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable, Sequence
from typing import NamedTuple

__all__ = ["CONFIDENCE", "Interval", "bootstrap", "distribution", "ratio"]

CONFIDENCE = 0.95
_DRAWS = 1000
_SEED = 5
"""The same rounds always give the same interval."""


class Interval(NamedTuple):
    """median: of what was measured. low, high: between them it lies with a confidence of 95 %."""

    median: float
    low: float
    high: float


def bootstrap(values: Sequence[float]) -> Interval:
    """Return the median of values with its interval, by the percentiles of resampled medians.

    values: at least one; of a single one all three are the same.
    Source: Efron, Tibshirani: An Introduction to the Bootstrap, 1993, chapter 13.

    >>> bootstrap([3.0, 1.0, 2.0])
    Interval(median=2.0, low=1.0, high=3.0)
    """
    return _interval(statistics.median(values), lambda dice: _resampled(dice, values))


def ratio(values: Sequence[float], others: Sequence[float]) -> Interval:
    """Return how many times the median of others that of values is; both are resampled.

    >>> ratio([2.0, 2.0], [4.0])
    Interval(median=0.5, low=0.5, high=0.5)
    """
    of_medians = statistics.median(values) / statistics.median(others)
    return _interval(of_medians, lambda dice: _resampled(dice, values) / _resampled(dice, others))


def distribution(values: Sequence[float]) -> list[tuple[float, float]]:
    """Return the empirical distribution: each value, smallest first, and what part of all is not above it.

    >>> distribution([3.0, 1.0, 1.0, 2.0])
    [(1.0, 0.5), (2.0, 0.75), (3.0, 1.0)]
    """
    ordered = sorted(values)
    parts = {value: (index + 1) / len(ordered) for index, value in enumerate(ordered)}
    return list(parts.items())


def _resampled(dice: random.Random, values: Sequence[float]) -> float:
    return statistics.median(dice.choices(values, k=len(values)))


def _interval(median: float, draw: Callable[[random.Random], float]) -> Interval:
    dice = random.Random(_SEED)
    drawn = sorted(draw(dice) for _ in range(_DRAWS))
    outside = round(_DRAWS * (1 - CONFIDENCE) / 2)
    return Interval(median, drawn[outside], drawn[-1 - outside])
