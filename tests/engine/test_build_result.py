"""What a build gives back reads well, computes well, and explains itself."""

from __future__ import annotations

from containerlab.engine.build_result import BuildResult
from tests.views.build.events import record

RESULT = BuildResult(record=record(), size_bytes=3 << 20, layers=4)


def test_card_has_the_facts() -> None:
    assert repr(RESULT) == (
        "test/app:latest · built in 1.4 s · 5 steps · 1 cached · one after another 2.3 s · 3 MiB in 4 layers"
        " · 1 warning"
    )
    assert RESULT._repr_mimebundle_()["text/html"].count("<b>test/app:latest</b>") == 1


def test_frame_has_a_row_for_each_step_with_units_in_its_names() -> None:
    frame = RESULT.to_frame()
    assert list(frame.columns) == [
        *("step", "name", "stage", "kind", "line", "status"),
        *("started_s", "finished_s", "duration_s", "missed", "inputs"),
    ]
    assert frame.set_index("step").loc[2, "duration_s"] == 0.75
    assert frame["duration_s"].sum() == RESULT.record.linear_s


def test_cache_is_explained_in_words() -> None:
    shown = RESULT.explain_cache().to_text()
    assert "COPY . /src" in shown
    assert "the content of ." in shown
    assert "exporting" not in shown


def test_image_is_named_or_known_by_its_id() -> None:
    assert (RESULT.image, RESULT.id) == ("test/app:latest", "sha256:" + "2" * 64)
    assert [warning.rule for warning in RESULT.warnings] == ["StageNameCasing"]


def test_pictures_say_what_they_show() -> None:
    assert RESULT.timeline().words.startswith("6 steps, 1 of them cached, in 1.4 s")
    assert RESULT.graph().words.startswith("5 steps in 2 stages")
