"""The graph of a build: a column for each stage, its steps from top to bottom, and what needs what.

The layout is layered: a step stands one row below the lowest of what it needs. Ground and ink are those of
`views.plot`; a step is filled, so that its words read on light and on dark pages.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from containerlab import units
from containerlab.errors import wanted
from containerlab.views.build.display import Ended
from containerlab.views.build.log import clean
from containerlab.views.build.order import as_written
from containerlab.views.picture import Picture
from containerlab.views.plot import INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Cell", "graph", "placed"]

_FILLS = {
    "done": "#0B62A0",
    "cached": "#5C6670",
    "failed": "#B34700",
    "canceled": "#5C6670",
    "waiting": "#5C6670",
}
"""White words on them have a contrast of at least 4.5 to 1. Source: WCAG 2.2, 1.4.3."""
_BOLD = "#E69F00"
_MANY_ROWS = 22
_GUTTER = 0.26
"""Between steps of neighbouring columns, in inches."""
_LETTERS_PER_INCH = 17
"""Of the font in which steps are named."""


class Cell(NamedTuple):
    """Where a step stands."""

    column: int
    row: int


class _Style(NamedTuple):
    """Sizes in inches."""

    column: float
    row: float
    height: float
    lines: int
    """On which a step's name stands, above how it went; 0: beside it."""


def graph(steps: Sequence[Ended]) -> Picture:
    """Draw the steps of a build that has ended."""
    cells = placed(steps)
    style = _style(steps, cells)
    columns, rows = _extent(cells)
    width, height = columns * style.column + 0.2, rows * style.row + 0.95
    figure = wanted("matplotlib.figure", "a picture").Figure(figsize=(max(width, 4.6), height))
    figure.patch.set_alpha(0)
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set_axis_off()
    ax.set_xlim(-0.1, max(width, 4.6) - 0.1)
    ax.set_ylim(rows * style.row + 0.4, -0.55)
    slowest = _slowest_chain(steps)
    _draw_stages(ax, steps, cells, style)
    for ended in steps:
        _draw_edges(ax, ended, cells, style, slowest)
    for ended in steps:
        _draw_step(ax, ended, cells[ended.step.id], style, ended.step.id in slowest)
    _draw_legend(ax, rows * style.row + 0.2, bool(slowest))
    return Picture(figure, _words(steps, slowest))


def _words(steps: Sequence[Ended], slowest: Sequence[int]) -> str:
    stages = {ended.step.stage for ended in steps if ended.step.stage}
    chain = [ended for ended in steps if ended.step.id in slowest]
    longest = max(chain, key=lambda ended: ended.duration_s, default=None)
    told = f"; the longest step of the slowest chain is {clean(longest.step.name)}" if longest else ""
    return f"{len(steps)} steps in {units.format_count(max(1, len(stages)), 'stage')}{told}."


# --- layout -------------------------------------------------------------------------------------


def placed(steps: Sequence[Ended]) -> dict[int, Cell]:
    """Give each step a cell of its own: stages are columns, and what is needed stands higher.

    A stage that begins where another has ended may stand below it, near what it takes files from.
    """
    rows = _rows(steps)
    cells: dict[int, Cell] = {}
    columns: list[list[range]] = []
    for group in _groups(steps, rows):
        span = range(min(rows[each] for each in group), max(rows[each] for each in group) + 1)
        column = _column(columns, span, _neighbours(group, steps, cells))
        cells |= {each: Cell(column, rows[each]) for each in group}
    return cells


def _groups(steps: Sequence[Ended], rows: Mapping[int, int]) -> list[list[int]]:
    """Return the steps that stand in a column together: stages from the top, then what belongs to none."""
    stages: dict[str, list[int]] = {}
    for ended in as_written(steps, lambda ended: ended.step):
        stages.setdefault(ended.step.stage, []).append(ended.step.id)
    alone = [[each] for each in stages.pop("", [])]
    return [*sorted(stages.values(), key=lambda group: min(rows[each] for each in group)), *alone]


def _neighbours(group: Sequence[int], steps: Sequence[Ended], cells: Mapping[int, Cell]) -> list[int]:
    """Return the columns of what a group needs and of what needs it, as far as they have one."""
    pairs = [(each, ended.step.id) for ended in steps for each in ended.step.inputs]
    near = [other for each, other in pairs if each in group] + [
        each for each, other in pairs if other in group
    ]
    return sorted(cells[each].column for each in near if each in cells)


def _column(columns: list[list[range]], span: range, neighbours: Sequence[int]) -> int:
    """Take the column with room that is nearest, or a new one on the right."""
    wanted = neighbours[len(neighbours) // 2] if neighbours else 0
    free = [
        number
        for number, taken in enumerate(columns)
        if all(span.start >= other.stop or span.stop <= other.start for other in taken)
    ]
    column = min(free, key=lambda number: abs(number - wanted), default=len(columns))
    if column == len(columns):
        columns.append([])
    columns[column].append(span)
    return column


def _rows(steps: Sequence[Ended]) -> dict[int, int]:
    """Return for each step the length of the longest way down to it; steps stand in topological order."""
    rows: dict[int, int] = {}
    for ended in steps:
        rows[ended.step.id] = 1 + max((rows[each] for each in ended.step.inputs if each in rows), default=-1)
    return rows


def _extent(cells: Mapping[int, Cell]) -> tuple[int, int]:
    """Return how many columns and rows there are."""
    columns = 1 + max((cell.column for cell in cells.values()), default=0)
    return columns, 1 + max((cell.row for cell in cells.values()), default=0)


def _style(steps: Sequence[Ended], cells: Mapping[int, Cell]) -> _Style:
    columns, rows = _extent(cells)
    column = max(1.35, min(3.4, 11 / columns))
    if rows > _MANY_ROWS:
        return _Style(max(column, 2.6), 0.42, 0.27, 0)
    longest = max((len(_name(ended)) for ended in steps), default=0)
    return _Style(column, 0.88, 0.5, 1) if longest <= _letters(column) else _Style(column, 1.02, 0.64, 2)


def _slowest_chain(steps: Sequence[Ended]) -> list[int]:
    """Return the steps that each waited for the one before, up to the one that ended last."""
    ended = {each.step.id: each for each in steps}
    last = max(steps, key=lambda each: each.finished_s, default=None)
    chain: list[int] = []
    while last is not None and last.status != "cached" and last.duration_s > 0:
        chain.append(last.step.id)
        inputs = [ended[each] for each in last.step.inputs if each in ended]
        last = max(inputs, key=lambda each: each.finished_s, default=None)
    return chain if len(chain) > 1 else []


# --- strokes ------------------------------------------------------------------------------------


def _middle(cell: Cell, style: _Style) -> tuple[float, float]:
    return (cell.column + 0.5) * style.column, cell.row * style.row + style.height / 2


def _draw_stages(ax: Axes, steps: Sequence[Ended], cells: Mapping[int, Cell], style: _Style) -> None:
    from matplotlib.patches import FancyBboxPatch

    for stage in dict.fromkeys(ended.step.stage for ended in steps if ended.step.stage):
        own = [cells[ended.step.id] for ended in steps if ended.step.stage == stage]
        top, bottom = min(cell.row for cell in own), max(cell.row for cell in own)
        left, y = own[0].column * style.column + 0.05, top * style.row - 0.1
        height = (bottom - top) * style.row + style.height + 0.2
        box = FancyBboxPatch(
            (left, y), style.column - 0.1, height, boxstyle="round,pad=0,rounding_size=0.08", linewidth=0
        )
        box.set(facecolor=INK, alpha=0.16, zorder=0)
        ax.add_patch(box)
        title = textwrap.shorten(_title(stage), max(8, int(style.column * 12)), placeholder="…")
        ax.text(
            left + 0.06,
            y - 0.03,
            title,
            color=INK,
            fontsize=9,
            fontweight="bold",
            va="bottom",
            zorder=4,
            parse_math=False,
        )


def _title(stage: str) -> str:
    return f"stage {stage}" if stage.isdecimal() else clean(stage)


def _draw_step(ax: Axes, ended: Ended, cell: Cell, style: _Style, is_bold: bool) -> None:
    from matplotlib.patches import FancyBboxPatch

    x, y = _middle(cell, style)
    width = style.column - _GUTTER
    box = FancyBboxPatch(
        (x - width / 2, y - style.height / 2), width, style.height, boxstyle="round,pad=0,rounding_size=0.05"
    )
    box.set(facecolor=_FILLS.get(ended.status, INK), edgecolor=_BOLD if is_bold else "none", zorder=3)
    box.set_linewidth(1.8 if is_bold else 0)
    ax.add_patch(box)
    name, how = _name(ended), _how(ended)
    left, right = x - width / 2 + 0.07, x + width / 2 - 0.07
    if not style.lines:
        room = _letters(style.column) - len(how) - 2
        _write(ax, (left, y), textwrap.shorten(name, max(room, 8), placeholder="…"), "left")
        _write(ax, (right, y), how, "right")
        return
    lines = textwrap.wrap(name, _letters(style.column), max_lines=style.lines, placeholder="…")
    for number, text in enumerate([*lines, how]):
        _write(ax, (left, y + (number - len(lines) / 2) * 0.16), text, "left")


def _letters(column: float) -> int:
    """Return how many letters there is room for in a step."""
    return int((column - _GUTTER - 0.14) * _LETTERS_PER_INCH)


def _write(ax: Axes, at: tuple[float, float], text: str, side: str) -> None:
    ax.text(*at, text, color="white", fontsize=7.5, ha=side, va="center", zorder=4, parse_math=False)


def _name(ended: Ended) -> str:
    """Return what a step does, without where it stands and where files come from: the picture says that."""
    name = re.sub(r"^\[[^\]]*\] ", "", clean(ended.step.name)).strip()
    return re.sub(r"^(COPY|ADD)((?: --[\w-]+(?:=\S*)?)+)", r"\1", name)


def _how(ended: Ended) -> str:
    if ended.status == "cached":
        return "CACHED"
    time = units.format_seconds(ended.duration_s) if ended.duration_s else ""
    return time if ended.status == "done" else f"{ended.status.upper()} {time}".strip()


def _draw_edges(
    ax: Axes, ended: Ended, cells: Mapping[int, Cell], style: _Style, slowest: Sequence[int]
) -> None:
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path

    for number, each in enumerate(each for each in ended.step.inputs if each in cells):
        is_bold = each in slowest and ended.step.id in slowest
        corners = _corners(cells[each], cells[ended.step.id], frozenset(cells.values()), style)
        path = Path(corners, [Path.MOVETO, *[Path.CURVE4] * 3])
        arrow = FancyArrowPatch(path=path, arrowstyle="-|>,head_length=3,head_width=2", shrinkA=0, shrinkB=0)
        arrow.set(color=_BOLD if is_bold else INK, linewidth=1.8 if is_bold else 1.1)
        arrow.set(zorder=2 if is_bold else 1, linestyle=_DASHES[number > 0])
        ax.add_patch(arrow)


_DASHES: tuple[Any, Any] = ("-", (0, (4, 2)))
"""Of what a step goes on from, and of what it takes files from."""
_Corners = list[tuple[float, float]]


def _corners(start: Cell, end: Cell, taken: frozenset[Cell], style: _Style) -> _Corners:
    """Return the corners of a curve that keeps clear of the steps between.

    From below a step into the top of the one beneath, or into the side of one farther away.
    """
    (x, y), (to_x, to_y) = _middle(start, style), _middle(end, style)
    y, top = y + style.height / 2, to_y - style.height / 2 - 0.01
    between = {Cell(end.column, row) for row in range(start.row + 1, end.row)}
    if not between & taken:
        is_far = end.row - start.row == 1 and start.column != end.column
        # High above the names of the stages that it passes.
        return [(x, y), (x, y + 0.1), (to_x, y + 0.04 if is_far else top - 0.12), (to_x, top)]
    side = -1 if start.column <= end.column else 1
    edge = to_x + side * ((style.column - _GUTTER) / 2 + 0.01)
    if start.column == end.column:
        return [(x - 0.3, y), (edge - 0.3, y + 0.2), (edge - 0.3, to_y - 0.2), (edge, to_y)]
    bend = min(1.0, (to_y - y) * 0.5)
    return [(x, y), (x, y + bend), (edge + side * abs(to_x - x) * 0.4, to_y), (edge, to_y)]


def _draw_legend(ax: Axes, y: float, has_chain: bool) -> None:
    entries = [("goes on from", INK, "-"), ("takes files from", INK, _DASHES[1])]
    entries += [("the slowest chain", _BOLD, "-")] if has_chain else []
    for number, (words, colour, dashes) in enumerate(entries):
        left = 0.02 + 1.45 * number
        ax.plot([left, left + 0.24], [y, y], color=colour, linestyle=dashes, linewidth=1.4)
        ax.text(left + 0.3, y, words, color=INK, fontsize=8, va="center")
