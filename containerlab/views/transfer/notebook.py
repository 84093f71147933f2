"""A transfer in a notebook: one output of its cell, drawn again in place.

Where nobody looks on, as in nbconvert and tests, and where it is done at once, nothing is shown: the result
speaks for itself, and outputs that are compared stay the same.
"""

from __future__ import annotations

import time

from containerlab.views import html
from containerlab.views.progress import is_watched
from containerlab.views.transfer.board import Board, Row
from containerlab.views.transfer.live import Live

__all__ = ["NotebookDisplay", "board_html", "board_text"]

_SHOW_AFTER_S = 0.5


class NotebookDisplay(Live):
    """Frames of one output for each image."""

    interval_s = 0.3

    def __init__(self) -> None:
        super().__init__()
        self._is_watched = is_watched()
        self._show_from = time.monotonic() + _SHOW_AFTER_S
        self._identity = ""

    def draw(self, is_last: bool) -> None:
        if not self._is_watched or time.monotonic() < self._show_from:
            return
        if not self._identity and (is_last or not self.board.heading):
            return
        from IPython.display import display, update_display

        bundle = {"text/plain": board_text(self.board), "text/html": board_html(self.board, is_last)}
        if self._identity:
            update_display(bundle, raw=True, display_id=self._identity)  # type: ignore[no-untyped-call]  # IPython has no types
        else:
            self._identity = display(bundle, raw=True, display_id=True).display_id  # type: ignore[no-untyped-call]  # as above

    def forget(self) -> None:
        self._identity = ""
        self.board.notes = []


def board_text(board: Board) -> str:
    """Write how a transfer stands."""
    lines = [f"{row.label}: {' '.join(filter(None, (row.words, row.amount)))}" for row in board.rows.values()]
    return "\n".join([board.heading, *lines, *board.notes])


_HEADINGS = [
    html.Heading("layer", is_code=True),
    html.Heading("state"),
    html.Heading(""),
    html.Heading("", is_right=True),
]


def board_html(board: Board, is_last: bool) -> str:
    """Draw a row for each blob; folded up when it is over."""
    blobs = html.table(_HEADINGS, map(_cells, board.rows.values()))
    head = html.text(board.heading)
    notes = "".join(html.line(html.text(note)) for note in board.notes)
    if is_last:
        is_good = board.ended == len(board.rows)
        return (
            html.details(f"{board.heading}: {board.ended} of {len(board.rows)}", blobs, not is_good) + notes
        )
    return html.line(head) + blobs + notes


def _cells(row: Row) -> list[str]:
    words = html.text(row.words)
    bar = (
        ""
        if row.fraction is None
        else f'<progress value="{row.fraction:.3f}" aria-label="{words}"></progress>'
    )
    return [html.text(row.label), words, bar, html.text(row.amount)]
