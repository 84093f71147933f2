"""Verdicts about how long something takes: at once, seconds, tens of seconds, minutes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from containerlab.experiments.claims import judging
from containerlab.experiments.experiment import Figure, Verdict
from containerlab.experiments.row import Row

__all__ = ["MINUTES_S", "SECONDS_S", "Pace", "judge", "pace"]

SECONDS_S, MINUTES_S = 10.0, 60.0
"""Below the first something takes seconds or less, from the second on minutes."""


class Pace(NamedTuple):
    """metric: in seconds. does, needs: "starts" and "to the first byte", for sentences.

    is_about_machines: the claim itself says that machines take minutes; else that is its contrast, and the
    claim as a whole is judged by containers alone.
    """

    metric: str
    does: str
    needs: str
    is_about_machines: bool


def pace(duration_s: float) -> str:
    """Say how long that is.

    >>> pace(0.03), pace(1.4), pace(16), pace(97)
    ('less than a second', 'seconds', 'tens of seconds', 'minutes')
    """
    if duration_s >= MINUTES_S:
        return "minutes"
    if duration_s >= SECONDS_S:
        return "tens of seconds"
    return "seconds" if duration_s >= 1 else "less than a second"


def judge(claim: str, rows: Sequence[Row], asked: Pace) -> list[Verdict]:
    """Return the verdict about the claim as a whole, and one for each tier that took part."""
    of_tiers = [_of_tier(claim, rows, asked, tier) for tier in judging.tiers(rows)]
    return [_of_all(claim, rows, asked, of_tiers), *of_tiers]


def _of_tier(claim: str, rows: Sequence[Row], asked: Pace, tier: str) -> Verdict:
    containers = judging.figures_of_containers(rows, asked.metric)
    machine = judging.machine(rows, tier, asked.metric)
    if machine is None:
        own = [row for row in rows if row.kind == "vm" and row.tier == tier]
        return judging.not_measured(claim, tier, own, asked.metric, f"machines of the tier {tier}")
    if not containers:
        own = [row for row in rows if row.kind == "container"]
        return judging.not_measured(claim, tier, own, asked.metric, "containers")
    container, emulated = containers[0], judging.is_emulated(rows, tier)
    ratio = judging.ratio(rows, tier, machine, container)
    sentence = (
        f"{machine.subject} {asked.does} in {judging.seconds_of(machine)} {asked.needs}, {container.subject} "
    )
    sentence += f"in {judging.seconds_of(container)}: {_contrast(container, machine)}"
    sentence += _footing(ratio, emulated)
    word = _word(container, machine, emulated)
    found = Verdict(claim, tier, word, (*containers, machine), ratio, sentence)
    return judging.quoted(found) if emulated else found


def _word(container: Figure, machine: Figure, emulated: bool) -> str:
    """Judge; what an emulator is quick at a processor is too, but what it is slow at says nothing."""
    if container.median >= MINUTES_S:
        return judging.NOT_HELD
    if machine.median >= MINUTES_S and emulated:
        return judging.NOT_MEASURED
    if machine.median >= MINUTES_S:
        return judging.HELD if container.median < SECONDS_S else judging.IN_PART
    return judging.IN_PART if machine.median >= SECONDS_S else judging.NOT_HELD


def _contrast(container: Figure, machine: Figure) -> str:
    of_machine, of_container = pace(machine.median), pace(container.median)
    if machine.median >= MINUTES_S:
        return f"minutes against {of_container}"
    return f"{of_machine}, not minutes"


def _footing(ratio: float | None, emulated: bool) -> str:
    if emulated:
        return f" ({judging.EMULATED}; a processor that runs the guest itself is faster)"
    return "" if ratio is None else f"; {ratio:.2g} times the container's"


def _of_all(claim: str, rows: Sequence[Row], asked: Pace, of_tiers: Sequence[Verdict]) -> Verdict:
    containers = judging.figures_of_containers(rows, asked.metric)
    if not containers:
        own = [row for row in rows if row.kind == "container"]
        return judging.not_measured(claim, "", own, asked.metric, "containers")
    measured = [verdict for verdict in of_tiers if verdict.figures]
    machines = tuple(verdict.figures[-1] for verdict in measured)
    sentence = f"containers: {_list(containers)} {asked.needs}; "
    sentence += f"machines: {_list(machines)}" if machines else "no machine was measured"
    ratios = [verdict.ratio for verdict in measured if verdict.ratio is not None]
    word = _word_of_all(containers[0], [verdict.word for verdict in measured], asked.is_about_machines)
    return Verdict(claim, "", word, (*containers, *machines), min(ratios, default=None), sentence)


def _list(figures: Sequence[Figure]) -> str:
    return ", ".join(f"{each.subject} {judging.seconds_of(each)}" for each in figures)


def _word_of_all(container: Figure, words: Sequence[str], is_about_machines: bool) -> str:
    if container.median >= MINUTES_S:
        return judging.NOT_HELD
    if container.median >= SECONDS_S:
        return judging.IN_PART
    if is_about_machines and (not words or any(word != judging.HELD for word in words)):
        return judging.IN_PART
    return judging.HELD
