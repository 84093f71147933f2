"""How long until the program speaks: the share of rounds that were done by a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from containerlab.experiments.pictures import canvas
from containerlab.experiments.pictures.scales import SECONDS, set_log
from containerlab.experiments.pictures.summaries import Summary, of_metric

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw"]

PANELS = {
    "ready_s": "To the first byte of the program's output",
    "answer_s": "To a socket that answers",
}


def draw(summed: Sequence[Summary]) -> Figure:
    """Draw a panel for each way of being ready, one line a subject."""
    metrics = [metric for metric in PANELS if of_metric(summed, metric)]
    figure = canvas.made(0.5 + max(2.5, 0.22 * len(_subjects(summed)) + 0.7) * max(len(metrics), 1))
    panels = figure.subplots(max(len(metrics), 1), 1, squeeze=False, sharex=True)[:, 0]
    if not metrics:
        canvas.says_nothing(panels[0])
    for ax, metric in zip(panels, metrics, strict=False):
        _panel(ax, of_metric(summed, metric), PANELS[metric])
    shown = of_metric(summed, *PANELS)
    for ax in panels[: len(metrics)]:
        set_log(ax, [value for each in shown for value in each.values], SECONDS, room=0.02)
    return figure


def _subjects(summed: Sequence[Summary]) -> set[str]:
    return {each.subject for each in summed}


def _panel(ax: Axes, summed: Sequence[Summary], title: str) -> None:
    canvas.bare(ax, "both")
    for each in summed:
        curve(ax, each)
    ax.set_ylim(-0.04, 1.06)
    ax.set_yticks([0, 0.5, 1], ["0", "half", "all"])
    canvas.heading(ax, title, "share of rounds done by this time")
    words = [f"{each.subject}, {SECONDS.text(each.median)} (n={len(each.values)})" for each in summed]
    canvas.legend(ax, summed, words, "subject, median")


def curve(ax: Axes, each: Summary) -> None:
    """Draw an empirical distribution: a step up for each round."""
    count = len(each.values)
    x = [each.values[0], *each.values]
    y = [number / count for number in range(count + 1)]
    look = each.style
    ax.plot(x, y, linestyle=look.dash, color=look.color, linewidth=1.8, drawstyle="steps-post")
    ax.plot(each.values, y[1:], linestyle="", marker=look.marker, color=look.color, markersize=4.5)
