"""A build in a notebook: one output of its cell, drawn again in place, and left as the log of the build.

Inline styles only, and no script, so that what is saved reads the same on any page that shows notebooks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from containerlab import units
from containerlab.views import html
from containerlab.views.build.board import Board, Row
from containerlab.views.build.findings import findings_html, findings_text
from containerlab.views.build.live import Live
from containerlab.views.progress import is_watched

__all__ = ["NotebookDisplay", "board_html", "board_text"]

_SHOW_AFTER_S = 0.5
_MANY_ROWS = 24
_LOG_LINES = 6


class NotebookDisplay(Live):
    """Frames of one output. Where nobody looks on, as in nbconvert and tests, there is only the last one."""

    interval_s = 0.3

    def __init__(self) -> None:
        super().__init__()
        self._is_watched = is_watched()
        self._identity = ""

    def draw(self, is_last: bool) -> None:
        if not is_last and (not self._is_watched or self.board.now_s() < _SHOW_AFTER_S):
            return
        if is_last and not self.board.rows and not self._identity:
            return  # what kept it from being planned is told by an error
        from IPython.display import display, update_display

        content = board_html(self.board, is_last)
        bundle = {"text/plain": board_text(self.board), "text/html": content}
        if self._identity:
            update_display(bundle, raw=True, display_id=self._identity)  # type: ignore[no-untyped-call]  # IPython has no types
        else:
            self._identity = display(bundle, raw=True, display_id=True).display_id  # type: ignore[no-untyped-call]  # as above


# --- words --------------------------------------------------------------------------------------


def board_text(board: Board) -> str:
    """Write the state of a build: a line for each step that was begun."""
    begun = [row for row in board.rows.values() if row.number]
    lines = [_title(board), *(_text_line(row, board.now_s()) for row in begun)]
    return "\n".join([*lines, *findings_text(board.findings)])


def _text_line(row: Row, now_s: float) -> str:
    time = "" if row.status == "cached" else f"  {units.format_seconds(row.duration_s(now_s))}"
    return f"{row.status:<8}  {row.step.name}{time}"


def _title(board: Board) -> str:
    """Say how far it is."""
    total, cached = len(board.rows), board.count("cached")
    word = "failed" if board.failed else "built" if total and board.ended == total else "building"
    if board.count("canceled") and not board.failed:
        word = "stopped"
    steps = f"{board.ended} of {total} steps" if word != "built" else units.format_count(total, "step")
    facts = [word, steps, f"{cached} cached" if cached else "", units.format_seconds(board.now_s())]
    return " · ".join(fact for fact in facts if fact)


# --- HTML ---------------------------------------------------------------------------------------

_SIGNS = {
    "waiting": ("○", "#7a7a7a"),
    "running": ("▶", "#0072b2"),
    "done": ("✔", "#009e73"),
    "cached": ("◆", "#7a7a7a"),
    "failed": ("✘", "#d55e00"),
    "canceled": ("–", "#d55e00"),
}


def board_html(board: Board, is_last: bool) -> str:
    """Draw the state of a build: a row for each step, its bar where it ran on a common scale of time."""
    now_s = board.now_s()
    rows = list(board.rows.values())
    shown = rows if is_last else _near_the_front(rows)
    lines = [line for row in shown for line in _lines(row, now_s)]
    if len(shown) < len(rows):
        lines.append(html.Group(f"{len(rows) - len(shown)} more"))
    steps = html.table(_HEADINGS, lines)
    if is_last and len(rows) > _MANY_ROWS:
        steps = html.details(f"{len(rows)} steps", steps, is_open=bool(board.failed))
    findings = findings_html(board.findings) if is_last else ""
    return html.line(_head(board, is_last)) + steps + findings


def _head(board: Board, is_last: bool) -> str:
    words = html.text(_title(board))
    if is_last:
        return html.mark(board.ended == len(board.rows)) + words
    share = f"{board.ended / max(1, len(board.rows)):.3f}"
    return f'<progress value="{share}" aria-label="{words}"></progress> {words}'


_HEADINGS = [
    html.Heading("state"),
    html.Heading("step", is_wrapped=True, is_code=True),
    html.Heading("time", is_right=True),
    html.Heading("when"),
]


def _near_the_front(rows: Sequence[Row]) -> Sequence[Row]:
    """Return as many rows as a screen holds: those that run, and what is beside them."""
    if len(rows) <= _MANY_ROWS:
        return rows
    front = next((number for number, row in enumerate(rows) if not row.has_ended), len(rows))
    first = max(0, min(front - _MANY_ROWS // 3, len(rows) - _MANY_ROWS))
    return rows[first : first + _MANY_ROWS]


def _lines(row: Row, now_s: float) -> Iterator[html.Line]:
    time = units.format_seconds(row.duration_s(now_s)) if _ran(row) else ""
    bar = _bar(row, now_s) if _ran(row) else ""
    yield [_state(row.status), html.breakable(row.step.name), html.text(time), bar]
    if row.status == "running" and (written := row.log.tail(_LOG_LINES)):
        yield html.Remark(html.pre("\n".join(written)))
    elif row.status == "failed" and row.log.last:
        yield html.Remark(html.details("what it wrote", html.pre("\n".join(row.log.last))))


def _ran(row: Row) -> bool:
    """Say whether it took time; what is canceled before it begins ends when it begins."""
    is_canceled = row.status == "canceled" and row.finished_s > row.started_s
    return is_canceled or row.status in ("running", "done", "failed")


def _state(status: str) -> str:
    sign, colour = _SIGNS[status]
    return f'<span aria-hidden="true" style="color:{colour};">{sign}</span> {status}'


def _bar(row: Row, now_s: float) -> str:
    per_second = 100 / max(now_s, 1e-6)
    left = min(99.0, row.started_s * per_second)
    width = max(1.0, min(100 - left, row.duration_s(now_s) * per_second))
    place = f"margin-left:{left:.1f}%;width:{width:.1f}%;height:9px;background:{_SIGNS[row.status][1]};"
    scale_style = "width:160px;height:9px;margin-top:4px;border-left:1px solid #7a7a7a;"
    return f'<div aria-hidden="true" style="{scale_style}"><div style="{place}"></div></div>'
