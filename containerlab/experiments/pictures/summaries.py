"""What pictures are drawn from: the rounds of a subject, their median and its interval."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

from containerlab.experiments import statistics
from containerlab.experiments.pictures.palette import Style, order, style
from containerlab.experiments.row import Row

__all__ = ["Summary", "is_emulated", "of_metric", "summaries"]


class Summary(NamedTuple):
    """All rounds that a subject gave of a metric, at one number of instances; values are sorted."""

    subject: str
    kind: str
    metric: str
    instances: int
    values: tuple[float, ...]
    median: float
    low: float
    high: float
    is_noisy: bool
    """There was no quiet round, so the noisy ones were taken."""

    @property
    def style(self) -> Style:
        return style(self.subject, self.kind)


def summaries(rows: Iterable[Row]) -> list[Summary]:
    """Sum up rows of one claim, in the order in which pictures have their subjects."""
    groups: dict[tuple[str, str, str, int], list[Row]] = {}
    for row in sorted((row for row in rows if row.value is not None), key=order):
        groups.setdefault((row.subject, row.kind, row.metric, row.instances), []).append(row)
    return [_summary(*key, group) for key, group in groups.items()]


def _summary(subject: str, kind: str, metric: str, instances: int, rows: Sequence[Row]) -> Summary:
    quiet = [row for row in rows if not row.is_noisy]
    values = tuple(sorted(row.value for row in quiet or rows if row.value is not None))
    found = _interval(values)
    return Summary(subject, kind, metric, instances, values, found.median, found.low, found.high, not quiet)


@lru_cache(maxsize=4096)
def _interval(values: tuple[float, ...]) -> statistics.Interval:
    """Several pictures are drawn of the same rounds, and a thousand draws take a while."""
    return statistics.bootstrap(values)


def of_metric(summed: Iterable[Summary], *metrics: str) -> list[Summary]:
    return [each for each in summed if each.metric in metrics]


def is_emulated(subject: str) -> bool:
    """Say whether a subject's processor is a program; the accelerator stands in its name.

    >>> is_emulated("vm microvm (tcg)"), is_emulated("vm microvm (kvm)")
    (True, False)
    """
    return "(tcg" in subject.lower()
