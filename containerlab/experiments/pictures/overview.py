"""The six claims in six small panels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from containerlab.experiments.pictures import canvas, delivery, footprint, performance, recovery
from containerlab.experiments.pictures.scales import BYTES, set_log
from containerlab.experiments.pictures.summaries import Summary, is_emulated, of_metric
from containerlab.views.plot import INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw"]

_SMALL = 8.0


def draw(summed: Mapping[str, Sequence[Summary]], words: Mapping[str, str]) -> Figure:
    """Draw one panel a claim. words: each claim's verdict, in a word or two."""
    rows = max((len({each.subject for each in every}) for every in summed.values()), default=4)
    figure = canvas.made(0.6 + 2 * (0.65 + 0.24 * max(rows, 4)), 11.0)
    for ax, (claim, panel) in zip(figure.subplots(2, 3).ravel(), _PANELS.items(), strict=True):
        panel(ax, summed.get(claim, ()))
        canvas.heading(ax, _TITLES[claim], words.get(claim, ""))
        told = (
            f"{_SUBTITLES[claim]}; machines: {performance.NOT_COMPARABLE}" if _is_apart(claim, summed) else ""
        )
        ax.set_xlabel(told or _SUBTITLES[claim], color=INK, fontsize=_SMALL)
    return figure


_TITLES = {
    "start": "1 start",
    "performance": "2 performance",
    "footprint": "3 footprint",
    "recovery": "4 recovery",
    "lifecycle": "5 life cycle",
    "delivery": "6 delivery",
}
_SUBTITLES = {
    "start": "to the program's first output",
    "performance": "speed, bare process = 1",
    "footprint": "memory of the next instance (PSS)",
    "recovery": "from SIGKILL to the next answer",
    "lifecycle": "created, ready and deleted again",
    "delivery": "bytes moved for version 2",
}


def _is_apart(claim: str, summed: Mapping[str, Sequence[Summary]]) -> bool:
    """Say whether a panel leaves out machines because a program plays their processor."""
    return claim == "performance" and any(is_emulated(each.subject) for each in summed.get(claim, ()))


def _times(ax: Axes, shown: Sequence[Summary]) -> None:
    if shown:
        recovery.panel(ax, shown, _SMALL, 4)
    else:
        canvas.says_nothing(ax)


def _start(ax: Axes, summed: Sequence[Summary]) -> None:
    _times(ax, of_metric(summed, "ready_s"))


def _performance(ax: Axes, summed: Sequence[Summary]) -> None:
    shown = [each for each in performance.ratios(summed) if not is_emulated(each.subject)]
    if not shown:
        canvas.says_nothing(ax)
        return
    performance.panel(ax, shown, list(dict.fromkeys(each.metric for each in shown)), _SMALL)


def _footprint(ax: Axes, summed: Sequence[Summary]) -> None:
    shown = [footprint.marginal(line) for line in footprint.lines(summed, "pss_bytes") if line.slope > 0]
    if not shown:
        canvas.says_nothing(ax)
        return
    canvas.bare(ax)
    canvas.named_rows(ax, [each.subject for each in shown], _SMALL)
    set_log(ax, [each.median for each in shown], BYTES, room=0.25, most=3)
    canvas.bars(ax, range(len(shown)), shown, BYTES, _SMALL - 0.5)


def _recovery(ax: Axes, summed: Sequence[Summary]) -> None:
    _times(ax, of_metric(summed, "recovered_s"))


def _lifecycle(ax: Axes, summed: Sequence[Summary]) -> None:
    _times(ax, of_metric(summed, "come_and_go_s"))


def _delivery(ax: Axes, summed: Sequence[Summary]) -> None:
    shown = of_metric(summed, "moved_bytes")
    if not shown:
        canvas.says_nothing(ax)
        return
    delivery.panel(ax, shown, [each.subject for each in shown], _SMALL)


_PANELS = {
    "start": _start,
    "performance": _performance,
    "footprint": _footprint,
    "recovery": _recovery,
    "lifecycle": _lifecycle,
    "delivery": _delivery,
}
