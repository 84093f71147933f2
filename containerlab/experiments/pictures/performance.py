"""Speed as a ratio to the bare process: containers on one axis, emulated machines apart on another."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from containerlab.experiments import statistics
from containerlab.experiments.pictures import canvas
from containerlab.experiments.pictures.palette import Style
from containerlab.experiments.pictures.scales import Scale, set_log
from containerlab.experiments.pictures.summaries import Summary, is_emulated
from containerlab.views.plot import INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["NOT_COMPARABLE", "Ratio", "draw", "panel", "ratios"]

NOT_COMPARABLE = "emulated, not comparable"
_BAND = 0.02
_RATIO = Scale(
    lambda value: f"{value:g}×", tuple(sorted(10.0**k * part for k in range(-4, 3) for part in (1, 3)))
)


class Ratio(NamedTuple):
    """A subject's speed over the bare process's, by medians; above 1 it is faster."""

    subject: str
    kind: str
    metric: str
    style: Style
    value: float
    low: float
    high: float


def ratios(summed: Sequence[Summary]) -> list[Ratio]:
    """Divide by the bare process; a time is turned over, so that more is always faster."""
    bases = {each.metric: each for each in summed if each.kind == "process"}
    return [
        _ratio(each, bases[each.metric])
        for each in summed
        if each.kind != "process" and each.metric in bases and each.values[0] > 0
    ]


def _ratio(each: Summary, base: Summary) -> Ratio:
    fast, slow = (each, base) if each.metric.endswith("_per_s") else (base, each)
    found = _divided(fast.values, slow.values)
    return Ratio(each.subject, each.kind, each.metric, each.style, found.median, found.low, found.high)


@lru_cache(maxsize=4096)
def _divided(values: tuple[float, ...], others: tuple[float, ...]) -> statistics.Interval:
    return statistics.ratio(values, others)


def draw(summed: Sequence[Summary]) -> Figure:
    """Draw a row for each benchmark, a dot for each subject."""
    every = ratios(summed)
    machines = [each for each in every if each.kind == "vm"]
    others = [each for each in every if each.kind != "vm"]
    metrics = list(dict.fromkeys(each.metric for each in every))
    figure = canvas.made(1.5 + 0.42 * max(len(metrics), 2))
    widths = [2.1, 1] if machines and others else [1]
    figure.set_layout_engine("constrained", wspace=0.06)
    panels = figure.subplots(1, len(widths), squeeze=False, sharey=True, width_ratios=widths)[0]
    if not every:
        canvas.says_nothing(panels[0])
        return figure
    if others:
        panel(panels[0], others, metrics)
        canvas.heading(panels[0], "Speed beside the bare process", "band: ±2 %")
    if machines:
        _machines(panels[-1], machines, metrics)
    _legend(figure, every)
    return figure


def name_of(metric: str) -> str:
    """Write a metric as a row's name.

    >>> name_of("sha256_bytes_per_s"), name_of("file_sync_s")
    ('sha256', 'file sync')
    """
    for unit in ("_bytes_per_s", "_ops_per_s", "_per_s", "_s", "_bytes"):
        if metric.endswith(unit):
            return metric.removesuffix(unit).replace("_", " ")
    return metric.replace("_", " ")


def panel(ax: Axes, shown: Sequence[Ratio], metrics: Sequence[str], fontsize: float = 9) -> None:
    """Draw ratios around 1 on a linear axis."""
    canvas.bare(ax)
    canvas.named_rows(ax, [name_of(metric) for metric in metrics], fontsize)
    ax.axvspan(1 - _BAND, 1 + _BAND, color=INK, alpha=0.18, linewidth=0, zorder=0)
    ax.axvline(1, color=INK, linewidth=1)
    _dots(ax, shown, metrics)
    far = max(0.06, *(abs(edge - 1) for each in shown for edge in (each.value, each.low, each.high)))
    ax.set_xlim(max(0.0, 1 - 1.1 * far), 1 + 1.1 * far)
    ax.locator_params(axis="x", nbins=6, steps=[1, 2, 5, 10])
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:.3g}×")


def _machines(ax: Axes, shown: Sequence[Ratio], metrics: Sequence[str]) -> None:
    canvas.bare(ax)
    canvas.named_rows(ax, [name_of(metric) for metric in metrics])
    set_log(ax, [1.0, *(edge for each in shown for edge in (each.low, each.high))], _RATIO, most=4)
    ax.axvline(1, color=INK, linewidth=1)
    _dots(ax, shown, metrics)
    is_any_emulated = any(is_emulated(each.subject) for each in shown)
    canvas.heading(ax, NOT_COMPARABLE if is_any_emulated else "Machines beside it")


def _dots(ax: Axes, shown: Sequence[Ratio], metrics: Sequence[str]) -> None:
    subjects = list(dict.fromkeys(each.subject for each in shown))
    step = 0.62 / max(len(subjects), 2)
    for each in shown:
        place = metrics.index(each.metric) + (subjects.index(each.subject) - (len(subjects) - 1) / 2) * step
        ax.plot([each.low, each.high], [place] * 2, color=each.style.color, linewidth=1.2, alpha=0.8)
        ax.plot(each.value, place, marker=each.style.marker, color=each.style.color, markersize=5.5)


def _legend(figure: Figure, shown: Sequence[Ratio]) -> None:
    from matplotlib.lines import Line2D

    subjects = {each.subject: each.style for each in shown}
    strokes = [
        Line2D([], [], color=look.color, marker=look.marker, linestyle="", markersize=6)
        for look in subjects.values()
    ]
    figure.legend(
        strokes,
        list(subjects),
        loc="outside upper left",
        ncols=min(len(subjects), 6),
        frameon=False,
        fontsize=8.5,
        labelcolor=INK,
    )
