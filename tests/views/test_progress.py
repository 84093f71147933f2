"""A bar shows long work only, and ends whole or where the work was cut short."""

from __future__ import annotations

import pytest

from containerlab.views import progress
from containerlab.views.progress import Bar


class Shown:
    """A canvas that remembers."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, float | None]] = []

    def draw(self, line: str, fraction: float | None) -> None:
        self.lines.append((line, fraction))

    def clear(self) -> None:
        self.lines.append(("cleared", None))


@pytest.fixture
def _every_work_is_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_SHOW_AFTER_S", 0)
    monkeypatch.setattr(progress, "_REDRAW_S", 0)


def test_short_work_shows_nothing() -> None:
    shown = Shown()
    with Bar("read", 100, shown) as bar:
        bar.update(100)
    assert shown.lines == []


@pytest.mark.usefixtures("_every_work_is_long")
def test_finished_work_leaves_a_whole_bar() -> None:
    shown = Shown()
    with Bar("read", 2048, shown) as bar:
        bar.update(1024)
    assert shown.lines == [
        ("read: 1 KiB of 2 KiB (50%)", 0.5),
        ("read: 2 KiB, done", 1.0),
        ("cleared", None),
    ]


@pytest.mark.usefixtures("_every_work_is_long")
def test_work_of_which_nothing_has_moved_counts_nothing() -> None:
    shown = Shown()
    bar = Bar("make", None, shown)
    bar.say("make it")
    bar.update(1024)
    assert [line for line, _ in shown.lines] == ["make it", "make it: 1 KiB"]


@pytest.mark.usefixtures("_every_work_is_long")
def test_work_that_fails_leaves_the_bar_where_it_was() -> None:
    shown = Shown()
    bar = Bar("read", 2048, shown)
    bar.update(1024)
    bar.__exit__(OSError, OSError("full"), None)
    assert shown.lines == [("read: 1 KiB of 2 KiB (50%)", 0.5), ("cleared", None)]


@pytest.mark.usefixtures("_every_work_is_long")
def test_notebook_gets_words_beside_the_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    bundles: list[dict[str, str]] = []
    monkeypatch.setattr("IPython.display.display", lambda bundle, **_: bundles.append(bundle))
    with Bar("read <b>", 2048, progress.NotebookCanvas()) as bar:
        bar.update(1024)
    assert bundles[0]["text/plain"] == "read <b>: 1 KiB of 2 KiB (50%)"
    assert "<b>" not in bundles[0]["text/html"]
