"""Text within a width: nothing is lost, no line is too long, the first column stands in every block."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from containerlab.views.layout import Field, fitted

FIELDS = [Field("N", "right"), Field("WHO"), Field("CALL", "prose"), Field("WHY", "below")]
WORDS = st.text("ab/,. ", max_size=120)


@given(st.lists(st.tuples(WORDS, WORDS), max_size=4), st.integers(40, 120))
def test_prose_is_wrapped_and_nothing_is_lost(rows: list[tuple[str, str]], width: int) -> None:
    text = fitted(FIELDS, [["1", "me", call, why] for call, why in rows], width)
    assert max(len(line) for line in text.splitlines()) <= width
    for letter in "ab,/.":
        assert text.count(letter) == sum(call.count(letter) + why.count(letter) for call, why in rows)


def test_words_break_where_paths_and_lists_have_seams() -> None:
    text = fitted([Field("CALL", "prose")], [["mount(/sys/fs/cgroup/memory/containerlab)"]], 24)
    assert text.splitlines() == ["CALL", "mount(/sys/fs/cgroup/", "memory/containerlab)"]


def test_columns_that_do_not_fit_stand_in_blocks_with_the_first_column() -> None:
    text = fitted([Field("KIND"), *(Field(f"name-{n}") for n in range(4))], [["pid", *"abcd"]], 24)
    assert text.splitlines() == [
        "KIND  name-0  name-1",
        "pid   a       b",
        "",
        "KIND  name-2  name-3",
        "pid   c       d",
    ]


def test_group_stands_above_the_rows_that_share_it() -> None:
    fields = [Field("DIRECTORY", "group"), Field("FILE"), Field("VALUE", "prose")]
    rows = [["/a", "x", "1"], ["/a", "y", "2"], ["/b", "x", "3"]]
    assert fitted(fields, rows, 80).splitlines() == [
        "FILE  VALUE",
        "/a",
        "x     1",
        "y     2",
        "/b",
        "x     3",
    ]
