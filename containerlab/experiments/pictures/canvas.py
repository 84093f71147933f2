"""What all pictures have in common: transparent ground, ink of middle tone, nothing that tells nothing."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from containerlab.errors import wanted
from containerlab.experiments.pictures.scales import Scale
from containerlab.experiments.pictures.summaries import Summary
from containerlab.views.plot import INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["bare", "bars", "footnote", "heading", "legend", "made", "named_rows", "says_nothing"]

WIDTH = 9.0
_CHARACTERS_PER_INCH = 15
"""Of a footnote."""


def made(height: float, width: float = WIDTH) -> Figure:
    """Return an empty figure; height in inches."""
    figure: Figure = wanted("matplotlib.figure", "a picture").Figure(
        figsize=(width, height), layout="constrained"
    )
    figure.patch.set_alpha(0)
    return figure


def bare(ax: Axes, rules: Literal["x", "y", "both"] = "x") -> None:
    """Take the frame away, and leave faint rules."""
    ax.set_facecolor("none")
    for side in ("top", "right", "left"):
        ax.spines[side].set_visible(False)
    ax.spines["bottom"].set_color(INK)
    ax.tick_params(colors=INK, labelsize=9, length=3)
    ax.tick_params(axis="y", length=0)
    ax.grid(axis=rules, color=INK, alpha=0.22, linewidth=0.6)
    ax.set_axisbelow(True)


def heading(ax: Axes, title: str, remark: str = "") -> None:
    ax.set_title(title, loc="left", color=INK, fontsize=10, fontweight="bold")
    if remark:
        ax.set_title(remark, loc="right", color=INK, fontsize=9)


def footnote(figure: Figure, *parts: str) -> None:
    """Write what a reader needs to judge the numbers: how many rounds, which interval, whose machine."""
    width = int(figure.get_figwidth() * _CHARACTERS_PER_INCH)
    text = "\n".join(textwrap.fill(part, width) for part in parts if part)
    figure.supxlabel(text, x=0.01, ha="left", color=INK, fontsize=8)


def says_nothing(ax: Axes, text: str = "not measured") -> None:
    """Say in the middle of a panel why it is empty."""
    bare(ax)
    ax.set_xticks([])
    ax.set_yticks([])
    ax.grid(False)
    ax.text(0.5, 0.5, text, transform=ax.transAxes, ha="center", va="center", color=INK, fontsize=9)


def named_rows(ax: Axes, names: Sequence[str], fontsize: float = 9) -> None:
    """Write names beside rows 0, 1, 2, … from the top."""
    ax.set_yticks(range(len(names)), names, fontsize=fontsize)
    ax.set_ylim(len(names) - 0.4, -0.6)


def bars(
    ax: Axes, places: Sequence[float], summed: Sequence[Summary], scale: Scale, fontsize: float = 8.5
) -> None:
    """Draw a bar up to each median, its interval, its rounds as dots, and the median in figures beside it.

    The axis has to have its limits: on a logarithmic one a bar begins at the edge.
    """
    left = ax.get_xlim()[0]
    for place, each in zip(places, summed, strict=True):
        color = each.style.color
        ax.barh(place, each.median - left, left=left, height=0.56, color=color, alpha=0.35, linewidth=0)
        ax.plot(
            [each.median] * 2, [place - 0.28, place + 0.28], color=color, linewidth=2.2, solid_capstyle="butt"
        )
        _interval(ax, place, each)
        note = scale.text(each.median)
        at = (max(each.median, each.high), place)
        ax.annotate(note, at, (4, 0), textcoords="offset points", va="center", color=INK, fontsize=fontsize)


def _interval(ax: Axes, place: float, each: Summary) -> None:
    if each.high > each.low:
        ax.plot([each.low, each.high], [place, place], color=INK, linewidth=1.1, solid_capstyle="butt")


def legend(ax: Axes, summed: Sequence[Summary], words: Sequence[str], title: str = "") -> None:
    """Name subjects beside the picture, each with the stroke and mark it has in it."""
    from matplotlib.lines import Line2D

    strokes = [
        Line2D(
            [], [], color=each.style.color, marker=each.style.marker, linestyle=each.style.dash, markersize=6
        )
        for each in summed
    ]
    shown = ax.legend(
        strokes,
        words,
        loc="upper left",
        bbox_to_anchor=(1.01, 1.03),
        frameon=False,
        fontsize=8.5,
        labelcolor=INK,
        handlelength=2.4,
        title=title,
        title_fontsize=8.5,
        alignment="left",
    )
    shown.get_title().set_color(INK)
