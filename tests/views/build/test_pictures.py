"""Pictures of a build: everything has a place of its own, and is said in words too."""

from __future__ import annotations

from itertools import combinations

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.transforms import Bbox

from containerlab.build.record import BuildRecord, Event, Finished, Planned, Step
from containerlab.views.build.graph import graph as drawn_graph
from containerlab.views.build.graph import placed
from containerlab.views.build.timeline import timeline
from containerlab.views.picture import Picture
from tests.views.build.events import FAILING, WELL, many, record


def of(events: tuple[Event, ...]) -> BuildRecord:
    planned = events[0]
    assert isinstance(planned, Planned)
    return record(events, planned.steps)


def boxes(picture: Picture) -> dict[str, Bbox]:
    """Return where each text of a picture stands."""
    canvas = FigureCanvasAgg(picture.figure)
    canvas.draw()
    texts = [text for ax in picture.figure.axes for text in (*ax.texts, *ax.get_yticklabels())]
    return {f"{number} {text.get_text()}": text.get_window_extent() for number, text in enumerate(texts)}


def overlapping(picture: Picture) -> list[tuple[str, str]]:
    found = boxes(picture).items()
    return [(one, other) for (one, a), (other, b) in combinations(found, 2) if a.overlaps(b)]


@pytest.mark.parametrize("events", [WELL, FAILING, many(1, 3), many(10, 1), many(4, 12)])
def test_steps_have_cells_of_their_own_below_what_they_need(events: tuple[Event, ...]) -> None:
    steps = of(events).steps
    cells = placed(steps)
    assert len(set(cells.values())) == len(cells) == len(steps)
    for each in steps:
        assert all(cells[needed].row < cells[each.step.id].row for needed in each.step.inputs)
    for stage in {each.step.stage for each in steps} - {""}:
        assert len({cells[each.step.id].column for each in steps if each.step.stage == stage}) == 1


def test_stage_that_gathers_stands_below_the_others() -> None:
    cells = placed(of(many(10, 2)).steps)
    assert max(cell.column for cell in cells.values()) == 9


@pytest.mark.slow
@pytest.mark.parametrize(
    "events", [WELL, FAILING, many(1, 3), many(10, 5)], ids=["well", "failing", "3", "62"]
)
def test_no_word_covers_another(events: tuple[Event, ...]) -> None:
    build = of(events)
    assert overlapping(drawn_graph(build.steps)) == []
    assert overlapping(timeline(build.steps, build.wall_s)) == []


def test_timeline_has_a_lane_for_each_step_and_the_time_of_a_linear_build() -> None:
    build = of(WELL)
    picture = timeline(build.steps, build.wall_s)
    above, below = picture.figure.axes
    assert [label.get_text() for label in above.get_yticklabels()] == [
        "[compile 1/3] FROM lab/base",
        "[compile 2/3] COPY . /src",
        "[1 1/2] RUN true",
        "[compile 3/3] RUN make",
        "[1 2/2] COPY --from=compile /a /a",
        "exporting",
    ]
    assert [text.get_text() for text in above.texts] == [
        "cached",
        "0.5 s",
        "0.9 s",
        "0.8 s",
        "50 ms",
        "0.1 s",
    ]
    assert [text.get_text() for text in below.texts] == ["1.4 s", "2.3 s"]
    assert picture.words == (
        "6 steps, 1 of them cached, in 1.4 s; one after another they would have taken 2.3 s."
    )


def test_cached_neighbours_share_a_lane() -> None:
    events = many(2, 12)
    lanes = timeline(of(events).steps, 1.0).figure.axes[0].get_yticklabels()
    assert len(lanes) < len(of(events).steps) - 5
    assert any(label.get_text().endswith("+11") for label in lanes)


def test_graph_says_how_each_step_went() -> None:
    words = {text.get_text() for text in drawn_graph(of(FAILING).steps).figure.axes[0].texts}
    assert {"compile", "stage 1", "RUN make", "FAILED 0.8 s", "CACHED", "COPY /a /a", "CANCELED"} <= words


def test_dollars_of_a_shell_are_no_mathematics() -> None:
    name = "RUN echo $A_{ $B > /$C $D"
    step = Step(id=1, name=f"[x 1/1] {name}", stage="$x$", kind="run", line=1)
    build = record((Planned((step,)), Finished(1, "done", 1.0)), (step,))
    assert any(name in word for word in boxes(drawn_graph(build.steps)))
    assert any(name in word for word in boxes(timeline(build.steps, 1.0)))


def test_build_of_nothing_has_pictures() -> None:
    assert timeline((), 0.0).to_png().startswith(b"\x89PNG")
    assert drawn_graph(()).to_png().startswith(b"\x89PNG")
