"""What verdicts stand on: figures of rows that count, who is compared with whom, what may be divided."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from containerlab import units
from containerlab.experiments import statistics
from containerlab.experiments.claims import literature
from containerlab.experiments.experiment import Figure, Verdict
from containerlab.experiments.row import Row
from containerlab.vm.tiers import TIERS

__all__ = [
    "EMULATED",
    "HELD",
    "IN_PART",
    "NOT_HELD",
    "NOT_MEASURED",
    "bytes_of",
    "figure",
    "figures",
    "figures_of_containers",
    "is_emulated",
    "machine",
    "not_measured",
    "quoted",
    "ratio",
    "seconds_of",
    "tiers",
    "usable",
]

HELD, IN_PART, NOT_HELD, NOT_MEASURED = "held", "held in part", "not held here", "not measured"
EMULATED = "emulated, not comparable"
OURS = "containerlab"
_REAL = frozenset({"kvm", "hvf", "whpx"})
"""Accelerators with which a processor runs the guest's instructions itself."""


def usable(rows: Iterable[Row], metric: str) -> list[Row]:
    """Return the rows of a metric that count: measured, and while the machine was quiet if that matters."""
    own = [row for row in rows if row.metric == metric and row.value is not None]
    return own if _is_size(metric) else [row for row in own if not row.is_noisy]


def _is_size(metric: str) -> bool:
    """Say whether a metric stays what it is however busy the processors are: no time, no rate."""
    return metric.endswith("_bytes") or metric == "processes"


def figure(rows: Iterable[Row], subject: str, metric: str) -> Figure | None:
    """Return the median of what a subject gave, with its interval; None when nothing counts."""
    values = [row.value for row in usable(rows, metric) if row.subject == subject and row.value is not None]
    return figure_of(values, subject, metric)


def figure_of(values: Sequence[float], subject: str, metric: str) -> Figure | None:
    """Return the median of values, with its interval; None when there are none."""
    if not values:
        return None
    interval = statistics.bootstrap(values)
    return Figure(subject, metric, interval.median, interval.low, interval.high, len(values))


def figures(rows: Sequence[Row], metric: str) -> tuple[Figure, ...]:
    """Return the figure of each subject, containers first and ours before others, machines last."""
    subjects = {row.subject: row for row in reversed(usable(rows, metric))}
    ordered = sorted(subjects.values(), key=_place)
    found = (figure(rows, row.subject, metric) for row in ordered)
    return tuple(each for each in found if each)


_KINDS = ("container", "layers", "process", "disk", "vm")


def _place(row: Row) -> tuple[int, bool, int, str]:
    tier = list(TIERS).index(row.tier) if row.tier in TIERS else -1
    return _KINDS.index(row.kind), row.subject != OURS, tier, row.subject


def figures_of_containers(rows: Sequence[Row], metric: str) -> tuple[Figure, ...]:
    """Return the figure of each engine of containers; ours first, which is what others are compared with."""
    return figures([row for row in rows if row.kind == "container"], metric)


def tiers(rows: Iterable[Row]) -> list[str]:
    """Return the tiers of machine that took part, whatever came of it."""
    present = {row.tier for row in rows if row.kind == "vm"}
    return [tier for tier in TIERS if tier in present]


def machine(rows: Sequence[Row], tier: str, metric: str) -> Figure | None:
    """Return the figure of the machine of a tier."""
    found = figures([row for row in rows if row.kind == "vm" and row.tier == tier], metric)
    return found[0] if found else None


def is_emulated(rows: Iterable[Row], tier: str) -> bool:
    """Say whether a tier's machines were emulated: nothing of what they do is a hypervisor's cost then."""
    used = {row.facts.get("accelerator", "") for row in rows if row.kind == "vm" and row.tier == tier}
    return not used or not used <= _REAL


def ratio(
    rows: Sequence[Row], tier: str, of_machine: Figure | None, of_container: Figure | None
) -> float | None:
    """Return how many times the container's figure the machine's is; None where it would say nothing."""
    if of_machine is None or of_container is None or of_container.median <= 0 or is_emulated(rows, tier):
        return None
    return of_machine.median / of_container.median


def not_measured(claim: str, tier: str, rows: Sequence[Row], metric: str, who: str) -> Verdict:
    """Say that somebody gave no figure, and why."""
    return Verdict(claim, tier, NOT_MEASURED, (), None, f"{who}: {_why(rows, metric)}")


def _why(rows: Sequence[Row], metric: str) -> str:
    if not rows:
        return "did not take part"
    if any(row.metric == metric and row.value is not None for row in rows):
        return "every round was noisy: others kept the processors busy"
    notes = [row.note for row in rows if row.note]
    return notes[0] if notes else "no round came to its end"


def quoted(verdict: Verdict) -> Verdict:
    """Add what others measured on real hardware."""
    quote = literature.of_claim(verdict.claim, verdict.tier)
    if quote is None:
        return verdict
    return verdict._replace(sentence=f"{verdict.sentence}. Elsewhere: {quote.text}", source=quote.source)


def seconds_of(figure: Figure) -> str:
    """Write a duration with its interval; milliseconds up to a second, since most are shorter."""
    return _with_interval(figure, _duration)


def _duration(duration_s: float) -> str:
    return f"{duration_s * 1000:.0f} ms" if 0.0095 <= duration_s < 1 else units.format_seconds(duration_s)


def bytes_of(figure: Figure) -> str:
    """Write a size with its interval."""
    return _with_interval(figure, units.format_size)


def _with_interval(figure: Figure, write: Callable[[float], str]) -> str:
    median, low, high = (write(value) for value in (figure.median, figure.low, figure.high))
    return median if low == high == median else f"{median} ({low} to {high})"
