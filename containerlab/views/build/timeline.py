"""The steps of a build over time: a lane for each, and below it how long one after another would have taken.

Ground and ink are those of `views.plot`, so that the picture reads on light and on dark pages.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from containerlab import units
from containerlab.errors import wanted
from containerlab.views.build.display import Ended
from containerlab.views.build.log import clean
from containerlab.views.build.order import as_written
from containerlab.views.picture import Picture
from containerlab.views.plot import BLUE, GREEN, INK, PURPLE, VERMILLION

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["timeline"]

_COLOURS = (BLUE, "#E69F00", GREEN, PURPLE, "#56B4E9", "#8C6D31", "#4B5FAA", "#6FA287")
_MANY_LANES = 12
_LONGEST_NAME = 46
_WIDTH = 9.0
_SHARE = 0.86
"""Of the axis that bars may take: what a step took stands beside its bar."""


class _Lane(NamedTuple):
    """A row: one step, or those of a stage that were cached."""

    label: str
    stage: str
    status: str
    started_s: float
    duration_s: float
    note: str


def timeline(steps: Sequence[Ended], wall_s: float) -> Picture:
    """Draw a build that has ended; wall_s is how long it took as a whole."""
    lanes = _lanes(steps)
    colours = _colours(steps)
    pitch = 0.27 if len(lanes) <= 30 else 0.2
    heights = [pitch * max(1, len(lanes)), 0.62]
    figure = wanted("matplotlib.figure", "a picture").Figure(
        figsize=(_WIDTH, sum(heights) + 1.15), layout="constrained"
    )
    above, below = figure.subplots(2, 1, height_ratios=heights)
    _draw_lanes(above, lanes, wall_s, colours)
    _draw_sums(below, steps, wall_s, colours)
    return Picture(_clear(figure), _words(steps, wall_s))


def _clear(figure: Figure) -> Figure:
    figure.patch.set_alpha(0)
    return figure


def _words(steps: Sequence[Ended], wall_s: float) -> str:
    cached = sum(step.status == "cached" for step in steps)
    return (
        f"{len(steps)} steps, {cached} of them cached, in {units.format_seconds(wall_s)}; one after another "
        f"they would have taken {units.format_seconds(_linear_s(steps))}."
    )


def _linear_s(steps: Sequence[Ended]) -> float:
    return sum(step.duration_s for step in steps)


def _colours(steps: Sequence[Ended]) -> dict[str, str]:
    """Give each stage a colour, in the order in which they stand in the Dockerfile."""
    ordered = as_written(steps, lambda step: step.step)
    stages = dict.fromkeys(step.step.stage for step in ordered if step.step.stage)
    return {stage: _COLOURS[number % len(_COLOURS)] for number, stage in enumerate(stages)} | {"": INK}


def _lanes(steps: Sequence[Ended]) -> list[_Lane]:
    ordered = sorted(
        (step for step in steps if step.status != "canceled" or step.duration_s),
        key=lambda step: (step.started_s, step.step.id),
    )
    lanes = [_lane(step) for step in ordered]
    return lanes if len(lanes) <= _MANY_LANES else _without_cached_neighbours(lanes)


def _without_cached_neighbours(lanes: Sequence[_Lane]) -> list[_Lane]:
    """Let the cached steps of a stage share a lane, that of the last one."""
    cached: dict[str, list[_Lane]] = {}
    for lane in lanes:
        if lane.status == "cached":
            cached.setdefault(lane.stage, []).append(lane)
    last = {stage: own[-1] for stage, own in cached.items()}
    return [
        lane._replace(label=_with_others(lane.label, len(cached[lane.stage]) - 1))
        if lane.status == "cached"
        else lane
        for lane in lanes
        if lane.status != "cached" or lane is last[lane.stage]
    ]


def _with_others(label: str, number: int) -> str:
    return f"{label}  +{number}" if number else label


def _lane(step: Ended) -> _Lane:
    note = {"cached": "cached", "failed": "failed after ", "canceled": "canceled after "}.get(step.status, "")
    if step.status != "cached":
        note += units.format_seconds(step.duration_s)
    return _Lane(
        _shortened(clean(step.step.name)), step.step.stage, step.status, step.started_s, step.duration_s, note
    )


def _shortened(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"


def _draw_lanes(ax: Axes, lanes: Sequence[_Lane], wall_s: float, colours: dict[str, str]) -> None:
    _bare(ax, wall_s / _SHARE)
    ax.set_ylim(len(lanes) - 0.4, -0.6)
    small = 8.5 if len(lanes) <= 30 else 7.5
    for number, lane in enumerate(lanes):
        _draw_lane(ax, number, lane, colours[lane.stage])
        end_s = lane.started_s + lane.duration_s
        _note(ax, lane.note, (end_s, number), 7 if lane.status == "cached" else 4, small)
    ax.set_yticks(range(len(lanes)), [lane.label for lane in lanes], fontsize=small, parse_math=False)
    ax.grid(axis="x", color=INK, alpha=0.25, linewidth=0.6)
    ax.set_title("What ran when", loc="left", color=INK, fontsize=10, fontweight="bold")
    ax.set_title("seconds", loc="right", color=INK, fontsize=9)
    ax.xaxis.tick_top()


def _draw_lane(ax: Axes, number: int, lane: _Lane, colour: str) -> None:
    if lane.status == "cached":
        ax.plot([lane.started_s], [number], "D", color=colour, markersize=5, fillstyle="none", clip_on=False)
        return
    is_bad = lane.status in ("failed", "canceled")
    ax.barh(
        number,
        lane.duration_s,
        left=lane.started_s,
        height=0.66,
        color=VERMILLION if lane.status == "failed" else "none" if is_bad else colour,
        edgecolor=VERMILLION if is_bad else colour,
        hatch="////" if is_bad else None,
        linewidth=0.8,
    )


def _draw_sums(ax: Axes, steps: Sequence[Ended], wall_s: float, colours: dict[str, str]) -> None:
    linear_s = _linear_s(steps)
    _bare(ax, max(linear_s, wall_s) / _SHARE)
    ax.barh(0, wall_s, height=0.6, color=INK)
    left = 0.0
    for step in as_written(steps, lambda step: step.step):
        ax.barh(1, step.duration_s, left=left, height=0.6, color=colours[step.step.stage])
        left += step.duration_s
    for number, length_s in enumerate((wall_s, linear_s)):
        _note(ax, units.format_seconds(length_s), (length_s, number), 4, 8.5)
    ax.set_ylim(1.5, -0.5)
    ax.set_yticks([0, 1], ["this build", "one after another"], fontsize=8.5)
    ax.set_xticks([])
    ax.spines["top"].set_visible(False)
    ax.set_title("How long", loc="left", color=INK, fontsize=10, fontweight="bold")


def _bare(ax: Axes, end_s: float) -> None:
    ax.set_facecolor("none")
    for side in ("bottom", "right", "left"):
        ax.spines[side].set_visible(False)
    ax.spines["top"].set_color(INK)
    ax.tick_params(colors=INK, labelsize=8.5, length=0)
    ax.tick_params(axis="y", pad=8)
    ax.set_axisbelow(True)
    ax.set_xlim(0, end_s or 1.0)


def _note(ax: Axes, text: str, at: tuple[float, float], right: int, size: float) -> None:
    """Write so many points to the right of a place."""
    ax.annotate(text, at, (right, 0), textcoords="offset points", va="center", color=INK, fontsize=size)
