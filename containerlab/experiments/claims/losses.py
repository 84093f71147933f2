"""The verdict about performance: what containers keep of the bare process's, machines of the container's.

Every metric becomes a share of the other's: 1 is the same, 0.9 a tenth lost; of durations the reciprocal.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from containerlab.experiments import statistics
from containerlab.experiments.claims import judging
from containerlab.experiments.experiment import Figure, Verdict
from containerlab.experiments.row import Row

__all__ = ["GOAL", "Share", "judge", "shares"]

PROCESSOR = ("integer_ops_per_s", "float_ops_per_s", "sha256_bytes_per_s")
_OTHERS = (
    "memory_copy_bytes_per_s",
    "syscalls_per_s",
    "switches_per_s",
    "pagefaults_per_s",
    "forks_per_s",
    "file_write_bytes_per_s",
    "file_read_bytes_per_s",
    "file_random_read_ops_per_s",
    "file_random_write_ops_per_s",
    "file_fsync_s",
    "loopback_latency_s",
    "loopback_throughput_bytes_per_s",
    "port_latency_s",
    "port_throughput_bytes_per_s",
)
GOAL = 0.99
"""Of the bare process's processor time a container keeps at least so much."""
_ALMOST, _COSTS = 0.9, 0.95
"""«Almost none» is lost where so much is kept of everything else; a machine costs where it keeps less."""
_STEADY = 1.5
_FEWEST_ROUNDS = 3
"""An interval of fewer says nothing."""
_METRICS = (*PROCESSOR, *_OTHERS)


class Share(NamedTuple):
    """How much of another's performance is kept in one metric, with its interval."""

    metric: str
    median: float
    low: float
    high: float
    rounds: int
    """Of the one who has fewer."""

    @property
    def is_steady(self) -> bool:
        """Whether the interval's ends are not further apart than by half."""
        return self.high <= _STEADY * self.low

    def is_clearly_below(self, limit: float) -> bool:
        """Say whether less is kept for all that chance can do."""
        return self.rounds >= _FEWEST_ROUNDS and self.high < limit


def shares(rows: Sequence[Row], subject: str, base: str) -> list[Share]:
    """Return what a subject keeps of a base's performance, in every metric that both have."""
    found = (_share(rows, metric, subject, base) for metric in _METRICS)
    return [share for share in found if share]


def _share(rows: Sequence[Row], metric: str, subject: str, base: str) -> Share | None:
    own, others = _values(rows, metric, subject), _values(rows, metric, base)
    if not own or not others:
        return None
    if not metric.endswith("_per_s"):  # a duration: less is better
        own, others = others, own
    kept = statistics.ratio(own, others)
    return Share(metric, kept.median, kept.low, kept.high, min(len(own), len(others)))


def _values(rows: Sequence[Row], metric: str, subject: str) -> list[float]:
    return [row.value for row in judging.usable(rows, metric) if row.subject == subject and row.value]


def judge(claim: str, rows: Sequence[Row]) -> list[Verdict]:
    """Return the verdict about the claim as a whole, and one for each tier that took part."""
    of_tiers = [_of_tier(claim, rows, tier) for tier in judging.tiers(rows)]
    return [_of_all(claim, rows, of_tiers), *of_tiers]


# containers against the bare process


def _of_all(claim: str, rows: Sequence[Row], of_tiers: Sequence[Verdict]) -> Verdict:
    container, process = _figure(rows, "container"), _figure(rows, "process")
    for kind, found in (("container", container), ("process", process)):
        if found is None:
            own = [row for row in rows if row.kind == kind]
            return judging.not_measured(claim, "", own, PROCESSOR[0], _WHO[kind])
    assert container is not None
    assert process is not None
    kept = shares(rows, container.subject, process.subject)
    measured = [verdict for verdict in of_tiers if verdict.word != judging.NOT_MEASURED]
    sentence = f"{container.subject} {_in_words(kept, 'the bare process')}; {_machines(of_tiers)}"
    word = _word_of_all(_of_containers(kept), [verdict.word for verdict in measured])
    machines = tuple(verdict.figures[-1] for verdict in measured)
    ratios = [verdict.ratio for verdict in measured if verdict.ratio is not None]
    return Verdict(claim, "", word, (container, process, *machines), min(ratios, default=None), sentence)


_WHO = {"container": "containers", "process": "the bare process"}


def _figure(rows: Sequence[Row], kind: str) -> Figure | None:
    own = [row for row in rows if row.kind == kind]
    return next((found for metric in PROCESSOR for found in judging.figures(own, metric)), None)


def _of_containers(kept: Sequence[Share]) -> str:
    processor = _of_processor(kept)
    if processor is None or processor.is_clearly_below(_COSTS):
        return judging.NOT_HELD
    if processor.median >= GOAL and not _loses_others(kept, _ALMOST):
        return judging.HELD
    return judging.IN_PART


def _loses_others(kept: Sequence[Share], limit: float) -> bool:
    """Say whether of something beside the processor clearly less than that is kept."""
    return any(share.is_clearly_below(limit) for share in kept if share.metric not in PROCESSOR)


def _of_processor(kept: Sequence[Share]) -> Share | None:
    """Return the worst of them."""
    own = [share for share in kept if share.metric in PROCESSOR]
    return min(own, key=lambda share: share.median, default=None)


def _in_words(kept: Sequence[Share], base: str) -> str:
    """Say the clearest loss; what came out once like this and once like that shows none."""
    processor = _of_processor(kept)
    assert processor is not None
    text = f"keeps {_per_cent(processor)} of {base}'s processor ({_what(processor)}, its worst)"
    others = [share for share in kept if share.metric not in PROCESSOR]
    steady = [share for share in others if share.is_steady]
    if steady:
        worst = min(steady, key=lambda share: share.high)
        text += f" and {_per_cent(worst)} of everything else ({_what(worst)}, its worst)"
    unsteady = [f"{_what(share)} {_per_cent(share)}" for share in others if not share.is_steady]
    return text + (f"; too unsteady to tell: {', '.join(unsteady)}" if unsteady else "")


def _per_cent(share: Share) -> str:
    return f"{share.median:.1%} ({share.low:.1%} to {share.high:.1%})"


def _what(share: Share) -> str:
    words = share.metric.removesuffix("_per_s")
    for unit in ("_ops", "_bytes", "_s"):
        words = words.removesuffix(unit)
    return words.replace("_", " ")


def _machines(of_tiers: Sequence[Verdict]) -> str:
    if not of_tiers:
        return "no machine took part"
    if all(verdict.word == judging.NOT_MEASURED for verdict in of_tiers):
        return "what a hypervisor costs was not measured"
    return "; ".join(verdict.sentence for verdict in of_tiers if verdict.word != judging.NOT_MEASURED)


def _word_of_all(containers: str, machines: Sequence[str]) -> str:
    if containers != judging.HELD:
        return containers
    return judging.HELD if machines and set(machines) == {judging.HELD} else judging.IN_PART


# machines against the container


def _of_tier(claim: str, rows: Sequence[Row], tier: str) -> Verdict:
    own = [row for row in rows if row.kind == "vm" and row.tier == tier]
    machine, container = _figure(own, "vm"), _figure(rows, "container")
    if machine is None:
        return judging.not_measured(claim, tier, own, PROCESSOR[0], f"machines of the tier {tier}")
    if judging.is_emulated(rows, tier):
        said = f"{machine.subject}: {judging.EMULATED}"
        return judging.quoted(Verdict(claim, tier, judging.NOT_MEASURED, (machine,), None, said))
    if container is None:
        rest = [row for row in rows if row.kind == "container"]
        return judging.not_measured(claim, tier, rest, PROCESSOR[0], "containers")
    kept = shares(rows, machine.subject, container.subject)
    processor = _of_processor(kept)
    ratio = processor.median if processor else None
    sentence = f"{machine.subject} {_in_words(kept, 'the container')}"
    return Verdict(claim, tier, _of_machine(kept), (container, machine), ratio, sentence)


def _of_machine(kept: Sequence[Share]) -> str:
    """A hypervisor costs where the interval lies below what is almost nothing."""
    processor = _of_processor(kept)
    if processor is not None and processor.is_clearly_below(_COSTS):
        return judging.HELD
    may_cost = processor is not None and processor.median < _COSTS
    return judging.IN_PART if may_cost or _loses_others(kept, _COSTS) else judging.NOT_HELD
