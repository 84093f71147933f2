"""The verdict about memory: what the next instance costs, as the slope of what all of them take together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from containerlab import units
from containerlab.experiments.claims import judging
from containerlab.experiments.experiment import Figure, Verdict
from containerlab.experiments.row import Row

__all__ = ["MANY_TIMES", "TINY_BYTES", "each", "judge", "slope"]

TINY_BYTES = 16 << 20
MANY_TIMES, SOME_TIMES = 10.0, 2.0
"""A machine has to take so many times as much for the claim to hold, or to hold in part."""
_MEMORY = "pss_bytes"


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Return by how much y grows with x, by least squares; y / x of a single point.

    >>> slope([(1, 110), (3, 130)]), slope([(2, 50)])
    (10.0, 25.0)
    """
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    if spread == 0:
        return mean_y / mean_x
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread


def each(rows: Sequence[Row], subject: str, metric: str) -> Figure | None:
    """Return what the next instance of a subject costs: the median of the slopes of its rounds."""
    rounds: dict[int, list[tuple[float, float]]] = defaultdict(list)
    for row in judging.usable(rows, metric):
        if row.subject == subject and row.value is not None:
            rounds[row.round].append((row.instances, row.value))
    return judging.figure_of([slope(points) for points in rounds.values()], subject, f"{metric}_each")


def judge(claim: str, rows: Sequence[Row]) -> list[Verdict]:
    """Return the verdict about the claim as a whole, and one for each tier that took part."""
    of_tiers = [_of_tier(claim, rows, tier) for tier in judging.tiers(rows)]
    return [_of_all(claim, rows, of_tiers), *of_tiers]


def _figures(rows: Sequence[Row]) -> list[Figure]:
    found = (each(rows, figure.subject, _MEMORY) for figure in judging.figures(rows, _MEMORY))
    return [figure for figure in found if figure]


def _of_tier(claim: str, rows: Sequence[Row], tier: str) -> Verdict:
    own = [row for row in rows if row.kind == "vm" and row.tier == tier]
    others = [row for row in rows if row.kind == "container"]
    machines, containers = _figures(own), _figures(others)
    if not machines:
        return judging.not_measured(claim, tier, own, _MEMORY, f"machines of the tier {tier}")
    if not containers:
        return judging.not_measured(claim, tier, others, _MEMORY, "containers")
    machine, container, emulated = machines[0], containers[0], judging.is_emulated(rows, tier)
    ratio = judging.ratio(rows, tier, machine, container)
    sentence = f"the next {machine.subject} takes {judging.bytes_of(machine)} of the host's memory, the next "
    sentence += f"{container.subject} {judging.bytes_of(container)}{_footing(ratio, emulated)}"
    sentence += _how_many(own)
    found = Verdict(claim, tier, _word(container, machine), (container, machine), ratio, sentence)
    return judging.quoted(found) if emulated else found


def _footing(ratio: float | None, emulated: bool) -> str:
    if emulated:
        return f" ({judging.EMULATED}: some of it is translated code)"
    return "" if ratio is None else f"; {ratio:.2g} times as much"


def _how_many(rows: Sequence[Row]) -> str:
    return f"; measured with up to {units.format_count(max(row.instances for row in rows), 'machine')}"


def _word(container: Figure, machine: Figure) -> str:
    if container.median > TINY_BYTES:
        return judging.IN_PART if machine.median > MANY_TIMES * container.median else judging.NOT_HELD
    if machine.median >= MANY_TIMES * max(container.median, 1):
        return judging.HELD
    return judging.IN_PART if machine.median >= SOME_TIMES * max(container.median, 1) else judging.NOT_HELD


def _of_all(claim: str, rows: Sequence[Row], of_tiers: Sequence[Verdict]) -> Verdict:
    own = [row for row in rows if row.kind == "container"]
    containers = _figures(own)
    if not containers:
        return judging.not_measured(claim, "", own, _MEMORY, "containers")
    machines = [verdict.figures[-1] for verdict in of_tiers if verdict.figures]
    sentence = (
        f"the next container: {_list(containers)}{_beside(rows, containers[0].subject)}; the next machine: "
    )
    sentence += _list(machines) if machines else "none was measured"
    ratios = [verdict.ratio for verdict in of_tiers if verdict.ratio is not None]
    word = _word_of_all(containers[0], [verdict.word for verdict in of_tiers if verdict.figures])
    return Verdict(claim, "", word, (*containers, *machines), min(ratios, default=None), sentence)


def _list(figures: Sequence[Figure]) -> str:
    return ", ".join(f"{figure.subject} {judging.bytes_of(figure)}" for figure in figures)


def _beside(rows: Sequence[Row], subject: str) -> str:
    """Say what else the next container of ours takes."""
    found = [(name, each(rows, subject, metric)) for metric, name in _BESIDE.items()]
    said = [f"{judging.bytes_of(figure)} {name}" for name, figure in found if figure]
    processes = each(rows, subject, "processes")
    if processes:
        said.append(f"{processes.median:.2g} {'process' if processes.median == 1 else 'processes'}")
    return f" ({subject}: {', '.join(said)})" if said else ""


_BESIDE = {"cgroup_bytes": "by its cgroup", "disk_bytes": "on disk"}


def _word_of_all(container: Figure, words: Sequence[str]) -> str:
    if container.median > TINY_BYTES:
        return judging.NOT_HELD
    return judging.IN_PART if set(words) - {judging.HELD} else judging.HELD
