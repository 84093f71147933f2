"""Memory against the number of instances, and what the next one costs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from containerlab.experiments.pictures import canvas
from containerlab.experiments.pictures.scales import BYTES, COUNT, Scale, set_log
from containerlab.experiments.pictures.summaries import Summary, of_metric
from containerlab.views.plot import INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Line", "draw", "marginal"]

GROWING = {
    "pss_bytes": "memory of the next one (PSS)",
    "cgroup_bytes": "memory of the next one (cgroup)",
    "disk_bytes": "disk of the next one",
    "processes": "processes of the next one",
}


class Line(NamedTuple):
    """What so many instances take, as `base + slope * instances`."""

    subject: str
    points: tuple[Summary, ...]
    slope: float
    base: float


def lines(summed: Sequence[Summary], metric: str) -> list[Line]:
    """Fit a line by least squares to the medians of each subject."""
    subjects: dict[str, list[Summary]] = {}
    for each in of_metric(summed, metric):
        subjects.setdefault(each.subject, []).append(each)
    return [_fitted(subject, points) for subject, points in subjects.items()]


def _fitted(subject: str, points: Sequence[Summary]) -> Line:
    ordered = tuple(sorted(points, key=lambda each: each.instances))
    if len(ordered) == 1:
        only = ordered[0]
        return Line(subject, ordered, only.median / max(only.instances, 1), 0.0)
    mean_x = sum(each.instances for each in ordered) / len(ordered)
    mean_y = sum(each.median for each in ordered) / len(ordered)
    spread = sum((each.instances - mean_x) ** 2 for each in ordered)
    slope = sum((each.instances - mean_x) * (each.median - mean_y) for each in ordered) / spread
    return Line(subject, ordered, slope, mean_y - slope * mean_x)


def marginal(line: Line) -> Summary:
    """Return the cost of the next instance as something that bars are drawn of."""
    return line.points[0]._replace(median=line.slope, low=line.slope, high=line.slope, values=(line.slope,))


def draw(summed: Sequence[Summary]) -> Figure:
    """Draw memory against instances beside the marginal costs."""
    metrics = [metric for metric in GROWING if of_metric(summed, metric)]
    subjects = list(dict.fromkeys(each.subject for each in of_metric(summed, *GROWING)))
    columns = max(len(metrics), 1)
    figure = canvas.made(3.4 + 0.6 + 0.28 * max(len(subjects), 3))
    above, below = figure.subfigures(
        2, 1, squeeze=False, height_ratios=[3.2, 0.8 + 0.28 * max(len(subjects), 3)]
    )[:, 0]
    ax = above.subplots()
    panels = below.subplots(1, columns, squeeze=False, sharey=True)[0]
    if not metrics:
        canvas.says_nothing(ax)
        canvas.says_nothing(panels[0])
        return figure
    _against_instances(ax, lines(summed, metrics[0]), metrics[0])
    for each, metric in zip(panels, metrics, strict=True):
        _costs(each, lines(summed, metric), subjects, COUNT if metric == "processes" else BYTES)
        canvas.heading(each, _SHORT[metric])
    return figure


_SHORT = {
    "pss_bytes": "next one: PSS",
    "cgroup_bytes": "next one: cgroup",
    "disk_bytes": "next one: disk",
    "processes": "next one: processes",
}


def _against_instances(ax: Axes, fitted: Sequence[Line], metric: str) -> None:
    canvas.bare(ax, "both")
    for line in fitted:
        look = line.points[0].style
        x = [each.instances for each in line.points]
        ax.plot(x, [each.median for each in line.points], linestyle="", marker=look.marker, color=look.color)
        curve = [max(line.base + line.slope * instances, 1.0) for instances in range(min(x), max(x) + 1)]
        ax.plot(range(min(x), max(x) + 1), curve, linestyle=look.dash, color=look.color, linewidth=1.4)
    numbers = sorted({each.instances for line in fitted for each in line.points})
    set_log(ax, [each.median for line in fitted for each in line.points], BYTES, "y", room=0.02)
    ax.set_xscale("log")
    ax.set_xlim(min(numbers) * 0.9, max(max(numbers), 2) * 1.1)
    ax.set_xticks(numbers, [str(number) for number in numbers])
    ax.minorticks_off()
    canvas.heading(ax, "Memory of so many idle instances", "dots: medians; lines: fitted")
    ax.set_xlabel("instances", color=INK, fontsize=9, loc="right", labelpad=1)
    words = [f"{line.subject}: {BYTES.text(line.slope)}" for line in fitted]
    canvas.legend(ax, [line.points[0] for line in fitted], words, "subject: the next one")


def _costs(ax: Axes, fitted: Sequence[Line], subjects: Sequence[str], scale: Scale) -> None:
    canvas.bare(ax)
    canvas.named_rows(ax, subjects)
    shown = [marginal(line) for line in fitted if line.slope > 0]
    set_log(ax, [each.median for each in shown], scale, room=0.36, most=3)
    canvas.bars(ax, [subjects.index(each.subject) for each in shown], shown, scale)
