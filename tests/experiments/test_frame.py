"""Rows survive a frame and a file."""

from __future__ import annotations

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from containerlab.experiments import frame
from containerlab.experiments.row import Row

_TEXT = st.text(string.ascii_letters + " ().,äß·", max_size=12)
_FACTS = st.dictionaries(st.sampled_from(["engine", "version", "accelerator", "network"]), _TEXT, max_size=4)
_ROWS = st.lists(
    st.builds(
        Row,
        claim=_TEXT,
        experiment=_TEXT,
        subject=_TEXT,
        kind=_TEXT,
        tier=_TEXT,
        round=st.integers(0, 100),
        metric=_TEXT,
        value=st.none() | st.floats(-1e12, 1e12),
        instances=st.integers(1, 300),
        note=_TEXT,
        pressure_before_pct=st.floats(0, 100),
        pressure_after_pct=st.floats(0, 100),
        load=st.floats(0, 100),
        is_noisy=st.booleans(),
        at=st.floats(0, 2e9),
        facts=_FACTS,
    ),
    max_size=8,
)


@pytest.mark.slow
@settings(deadline=None)
@given(_ROWS)
def test_rows_come_back_from_a_frame(rows: list[Row]) -> None:
    assert frame.from_frame(frame.to_frame(rows)) == rows


@pytest.mark.slow
@settings(deadline=None)
@given(_ROWS)
def test_rows_come_back_from_a_file(rows: list[Row]) -> None:
    content = frame.to_lines(rows)
    assert frame.from_lines(content) == rows
    assert len(content.splitlines()) == len(rows)


def test_facts_are_columns() -> None:
    row = Row(claim="start", experiment="ready", subject="a", kind="vm", round=0, metric="ready_s", value=1.0)
    table = frame.to_frame([row, Row(**{**_fields(row), "facts": {"accelerator": "tcg"}})])
    assert list(table["accelerator"].fillna("")) == ["", "tcg"]
    assert list(table["value"]) == [1.0, 1.0]


def _fields(row: Row) -> dict[str, object]:
    return {name: getattr(row, name) for name in row.__struct_fields__}
