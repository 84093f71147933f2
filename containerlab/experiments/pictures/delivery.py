"""Version 2 of an image, one file changed: what has to travel, and how long it takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from containerlab.experiments.pictures import canvas
from containerlab.experiments.pictures.scales import scale_of, set_log
from containerlab.experiments.pictures.summaries import Summary, of_metric

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw", "panel"]


def draw(summed: Sequence[Summary]) -> Figure:
    """Draw bytes beside times, one row a format."""
    metrics = [metric for metric in _TITLES if of_metric(summed, metric)]
    formats = list(dict.fromkeys(each.subject for each in of_metric(summed, *_TITLES)))
    figure = canvas.made(1.1 + 0.34 * max(len(formats), 2))
    panels = figure.subplots(1, max(len(metrics), 1), squeeze=False, sharey=True)[0]
    if not metrics:
        canvas.says_nothing(panels[0])
    for ax, metric in zip(panels, metrics, strict=False):
        panel(ax, of_metric(summed, metric), formats)
        canvas.heading(ax, _TITLES[metric])
    return figure


_TITLES = {"moved_bytes": "Bytes moved for version 2", "deliver_s": "Time to deliver it"}


def panel(ax: Axes, shown: Sequence[Summary], formats: Sequence[str], fontsize: float = 9) -> None:
    scale = scale_of(shown[0].metric)
    canvas.bare(ax)
    canvas.named_rows(ax, formats, fontsize)
    set_log(ax, [value for each in shown for value in each.values], scale, room=0.25, most=4)
    canvas.bars(ax, [formats.index(each.subject) for each in shown], shown, scale, fontsize - 0.5)
