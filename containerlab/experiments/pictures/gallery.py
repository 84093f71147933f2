"""Rows become the picture of a claim, or the one of all six, with a footnote and a sentence."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from containerlab import units
from containerlab.errors import InvalidInput, nearest
from containerlab.experiments.pictures import (
    canvas,
    delivery,
    footprint,
    lifecycle,
    overview,
    performance,
    recovery,
    start,
)
from containerlab.experiments.pictures.scales import scale_of
from containerlab.experiments.pictures.summaries import Summary, is_emulated, summaries
from containerlab.experiments.row import Row
from containerlab.options.comparison import CLAIMS
from containerlab.views.picture import Picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["picture_of_all", "picture_of_claim"]

_DRAW: Mapping[str, Callable[[Sequence[Summary]], Figure]] = {
    "start": start.draw,
    "performance": performance.draw,
    "footprint": footprint.draw,
    "recovery": recovery.draw,
    "lifecycle": lifecycle.draw,
    "delivery": delivery.draw,
}
_FIRST = {
    "start": "ready_s",
    "footprint": "pss_bytes",
    "recovery": "recovered_s",
    "lifecycle": "come_and_go_s",
    "delivery": "moved_bytes",
}


def picture_of_claim(claim: str, rows: Sequence[Row], machine: str) -> Picture:
    """Draw a claim. machine: where it was measured, in a line.

    Raises: InvalidInput for a claim that is none of the six.
    """
    if claim not in _DRAW:
        raise InvalidInput(f"no such claim: {claim}", nearest(claim, CLAIMS) or f"one of {', '.join(CLAIMS)}")
    own = [row for row in rows if row.claim == claim]
    summed = summaries(own)
    figure = _DRAW[claim](summed)
    canvas.footnote(figure, *_told(own, summed), machine)
    return Picture(figure, _words(claim, summed))


def picture_of_all(rows: Sequence[Row], words: Mapping[str, str], machine: str) -> Picture:
    """Draw the six claims. words: the verdict of each."""
    summed = {claim: summaries(row for row in rows if row.claim == claim) for claim in CLAIMS}
    figure = overview.draw(summed, words)
    canvas.footnote(figure, *_told(rows, [each for every in summed.values() for each in every]), machine)
    told = [f"{claim}: {words[claim]}" if claim in words else claim for claim in CLAIMS if summed[claim]]
    return Picture(figure, f"The six claims measured. {'; '.join(told)}.")


def _told(rows: Sequence[Row], summed: Sequence[Summary]) -> Sequence[str]:
    """Say how many rounds there were, what the lines are, and what was left out."""
    if not summed:
        return ()
    counts = sorted({len(each.values) for each in summed})
    rounds = f"{counts[0]} to {counts[-1]}" if len(counts) > 1 else str(counts[0])
    parts = [f"Medians of {rounds} rounds; thin lines: 95 % interval of the median (bootstrap)."]
    taken = sum(len(each.values) for each in summed if each.is_noisy)
    noisy = sum(row.is_noisy and row.value is not None for row in rows) - taken
    kept = sum(each.is_noisy for each in summed)
    if noisy:
        parts.append(f"{units.format_count(noisy, 'value')} of noisy rounds left out.")
    if kept:
        parts.append(f"No quiet round for {units.format_count(kept, 'median')}: noisy ones taken.")
    return (" ".join(parts), "Axes are logarithmic where their marks say so; bars begin at the edge.")


def _words(claim: str, summed: Sequence[Summary]) -> str:
    """Say the medians of the claim's foremost metric as a sentence."""
    if not summed:
        return f"{claim}: not measured."
    if claim == "performance":
        return _speeds(summed)
    first = next((each for each in summed if each.metric == _FIRST[claim]), summed[0])
    text = scale_of(first.metric).text
    own = [each for each in summed if (each.metric, each.instances) == (first.metric, first.instances)]
    told = ", ".join(f"{each.subject} {text(each.median)}" for each in own)
    return f"{claim}, medians of {performance.name_of(first.metric)}: {told}."


def _speeds(summed: Sequence[Summary]) -> str:
    spans: dict[str, list[float]] = {}
    for each in performance.ratios(summed):
        spans.setdefault(each.subject, []).append(each.value)
    told = ", ".join(
        f"{name} {performance.NOT_COMPARABLE}"
        if is_emulated(name)
        else f"{name} {min(span):.2g} to {max(span):.2g}"
        for name, span in spans.items()
    )
    return f"performance, speed as a ratio to the bare process: {told or 'no bare process was measured'}."
