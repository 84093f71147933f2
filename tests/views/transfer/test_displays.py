"""How a transfer is shown: in a terminal, as lines, in a notebook."""

from __future__ import annotations

import io

import pytest

from containerlab.views.transfer import notebook
from containerlab.views.transfer.board import Board
from containerlab.views.transfer.lines import LinesDisplay
from containerlab.views.transfer.notebook import NotebookDisplay, board_html, board_text
from containerlab.views.transfer.terminal import frame

_MIB = 1 << 20


def _digest(number: int) -> str:
    return f"sha256:{number:064x}"[:71].replace("0" * 50, f"{number:02x}" * 25)


def _board(*rows: tuple[int, str, int]) -> Board:
    """Return a board with blobs of 10 MiB: number, status, bytes that are done."""
    board = Board()
    board.begin("Pulling from", "lab/app", "v1")
    for number, status, done in rows:
        board.update(_digest(number), 10 * _MIB, status, done, "")
    return board


def _texts(board: Board, width: int = 80, height: int | None = None) -> list[str]:
    return [line.text for line in frame(board, width, height)]


def test_a_terminal_has_a_bar_for_what_moves() -> None:
    lines = _texts(_board((1, "downloading", 5 * _MIB), (2, "pulled", 10 * _MIB), (3, "waiting", 0)))
    assert lines[0] == "v1: Pulling from lab/app"
    assert lines[1].endswith(f": Downloading [{'=' * 15}>{' ' * 14}] 5 MiB of 10 MiB")
    assert lines[2].endswith(": Pull complete")
    assert lines[3].endswith(": Waiting")


def test_what_does_not_fit_is_counted_and_what_moves_is_shown() -> None:
    board = _board(*((number, "pulled", 10 * _MIB) for number in range(50)), (99, "downloading", 1))
    lines = _texts(board, 80, 10)
    assert len(lines) <= 9
    assert lines[1] == "… 44 more"
    assert any("Downloading" in line for line in lines)


def test_no_line_is_wider_than_the_terminal() -> None:
    assert max(map(len, _texts(_board((1, "downloading", 5 * _MIB)), 30))) <= 30


@pytest.mark.parametrize("size", [0, 10])
def test_more_than_all_is_all(size: int) -> None:
    board = Board()
    board.begin("Pulling from", "lab/app", "v1")
    row = board.update(_digest(1), size, "downloading", 100, "")
    assert row is not None
    assert row.fraction == 1.0


def test_what_has_ended_does_not_begin_again() -> None:
    """Threads tell what they have done in no order."""
    board = _board((1, "pulled", 10 * _MIB))
    assert board.update(_digest(1), 10 * _MIB, "downloading", 3, "") is None
    assert board.ended == 1


def test_lines_tell_only_how_blobs_end() -> None:
    stream = io.StringIO()
    display = LinesDisplay(stream)
    display.open()
    display.begun("Pulling from", "lab/app", "v1")
    for done in range(0, 10 * _MIB, _MIB):
        display.blob(_digest(1), 10 * _MIB, "downloading", done, "")
    display.blob(_digest(1), 10 * _MIB, "pulled", 10 * _MIB, "")
    display.blob(_digest(2), 10, "mounted", 10, "lab/base")
    display.note("something was done in another way")
    display.close()
    first, *rest = stream.getvalue().splitlines()
    assert first == "v1: Pulling from lab/app"
    assert [line.partition(": ")[2] or line for line in rest] == [
        "Pull complete",
        "Mounted from lab/base",
        "something was done in another way",
    ]


def test_a_notebook_shows_a_bar_while_something_moves_and_folds_it_up() -> None:
    board = _board((1, "downloading", 5 * _MIB), (2, "pulled", 10 * _MIB))
    assert '<progress value="0.500"' in board_html(board, is_last=False)
    assert "<details" in board_html(board, is_last=True)
    assert "1 of 2" in board_html(board, is_last=True)
    assert board_text(board).splitlines()[0] == "v1: Pulling from lab/app"


def test_names_from_a_registry_are_only_text() -> None:
    board = Board()
    board.begin("Pulling from", "<script>alert(1)</script>", "v1")
    board.notes.append("<b>")
    for is_last in (True, False):
        assert "<script>" not in board_html(board, is_last)
        assert "<b>" not in board_html(board, is_last)


def test_where_nobody_looks_on_a_notebook_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notebook, "is_watched", lambda: False)
    monkeypatch.setattr(notebook, "_SHOW_AFTER_S", 0.0)
    display = NotebookDisplay()
    display.open()
    display.begun("Pulling from", "lab/app", "v1")
    display.blob(_digest(1), 10, "pulled", 10, "")
    display.close()
    assert not display._identity
