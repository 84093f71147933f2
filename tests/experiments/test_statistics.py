"""Medians and their intervals."""

from __future__ import annotations

import random
import statistics

from hypothesis import given
from hypothesis import strategies as st

from containerlab.experiments.statistics import bootstrap, distribution, ratio

_VALUES = st.lists(st.floats(0.001, 1e9), min_size=1, max_size=12)


@given(_VALUES)
def test_the_median_lies_in_its_interval_and_that_among_the_values(values: list[float]) -> None:
    found = bootstrap(values)
    assert min(values) <= found.low <= found.median <= found.high <= max(values)


@given(_VALUES)
def test_the_same_values_always_give_the_same(values: list[float]) -> None:
    assert bootstrap(values) == bootstrap(values)


def test_a_single_value_has_no_width() -> None:
    assert bootstrap([7.0]) == (7.0, 7.0, 7.0)


def test_more_rounds_make_the_interval_narrower() -> None:
    dice = random.Random(1)
    few, many = ([dice.gauss(100, 10) for _ in range(count)] for count in (10, 1000))
    assert _width(many) < _width(few) / 3


def _width(values: list[float]) -> float:
    found = bootstrap(values)
    return found.high - found.low


def test_95_of_100_intervals_have_the_true_median() -> None:
    dice = random.Random(2)
    samples = ([dice.gauss(100, 10) for _ in range(15)] for _ in range(100))
    hits = sum(found.low <= 100 <= found.high for found in map(bootstrap, samples))
    assert 85 <= hits <= 100


def test_a_ratio_is_that_of_the_medians_and_its_interval_has_it() -> None:
    values, others = [2.0, 2.2, 1.9, 2.1], [1.0, 1.1, 0.9]
    found = ratio(values, others)
    assert found.median == statistics.median(values) / statistics.median(others)
    assert found.low <= found.median <= found.high


def test_what_is_the_same_has_a_ratio_of_one() -> None:
    assert ratio([3.0], [3.0]) == (1.0, 1.0, 1.0)


def test_the_width_is_that_of_a_known_distribution() -> None:
    """The median of n values of a normal distribution has a standard error of 1.2533 σ/√n."""
    dice = random.Random(1)
    known = 2 * 1.96 * 1.2533 * 10 / 400**0.5
    assert 0.6 * known < _width([dice.gauss(100, 10) for _ in range(400)]) < 1.5 * known


@given(_VALUES)
def test_a_distribution_rises_to_one(values: list[float]) -> None:
    found = distribution(values)
    assert [value for value, _ in found] == sorted(set(values))
    assert found[-1] == (max(values), 1)
