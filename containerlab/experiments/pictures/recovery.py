"""From the kill of the workload to its answer: a bar in time for each subject."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from containerlab.experiments.pictures import canvas
from containerlab.experiments.pictures.scales import SECONDS, set_log
from containerlab.experiments.pictures.summaries import Summary, of_metric
from containerlab.views.plot import INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw", "panel"]


def draw(summed: Sequence[Summary]) -> Figure:
    """Draw the time without an answer, one row a subject."""
    shown = of_metric(summed, "recovered_s")
    figure = canvas.made(1.15 + 0.36 * max(len(shown), 2))
    ax = figure.subplots()
    if not shown:
        canvas.says_nothing(ax)
        return figure
    panel(ax, shown)
    for place, each in enumerate(shown):
        _rounds(ax, place, each)
    canvas.heading(ax, "No answer after SIGKILL of the workload", "kill at the left edge, bar to the answer")
    return figure


def panel(ax: Axes, shown: Sequence[Summary], fontsize: float = 9, ticks: int = 6) -> None:
    canvas.bare(ax)
    canvas.named_rows(ax, [each.subject for each in shown], fontsize)
    set_log(ax, [value for each in shown for value in each.values], SECONDS, room=0.16, most=ticks)
    canvas.bars(ax, range(len(shown)), shown, SECONDS, fontsize - 0.5)


def _rounds(ax: Axes, place: float, each: Summary) -> None:
    """Show each round as a dot below the bar's middle."""
    ax.plot(
        each.values,
        [place + 0.2] * len(each.values),
        linestyle="",
        marker=".",
        color=INK,
        markersize=3.5,
        alpha=0.7,
    )
