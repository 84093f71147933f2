"""Ranges and conditions, as RFC 9110 has them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from containerlab.distribution.server.protocol import ranges

SIZE = 10
SIZES = st.integers(0, 30)


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("bytes=0-0", (0, 1)),
        ("bytes=3-", (3, 10)),
        ("bytes=3-99", (3, 10)),
        (f"bytes=3-{10**39}", (3, 10)),
        ("bytes=-3", (7, 10)),
        ("bytes=-99", (0, 10)),
        ("Bytes= 1-2 ", (1, 3)),
    ],
)
def test_a_range_is_what_there_is_of_it(header: str, found: tuple[int, int]) -> None:
    assert ranges.wanted(header, SIZE) == found


@pytest.mark.parametrize("header", ["bytes=10-", "bytes=10-20", "bytes=-0", f"bytes={10**23}-", "bytes=5-3"])
def test_a_range_past_the_end_is_said(header: str) -> None:
    with pytest.raises(ranges.Unsatisfiable):
        ranges.wanted(header, SIZE)


@pytest.mark.parametrize(
    "header",
    ["", "bytes", "bytes=", "bytes=-", "items=0-1", "bytes=a-b", "bytes=0-1,3-4", "bytes=0x1-2", "bytes=١-٢"],
)
def test_what_means_nothing_is_everything(header: str) -> None:
    assert ranges.wanted(header, SIZE) is None


@given(st.integers(0, 40), st.integers(0, 40), SIZES)
def test_closed_ranges_are_slices(first: int, last: int, size: int) -> None:
    data = bytes(range(size))
    expected = data[first : last + 1]
    try:
        found = ranges.wanted(f"bytes={first}-{last}", size)
    except ranges.Unsatisfiable:
        assert not expected
        return
    assert found is not None
    assert data[found.first : found.end] == expected != b""


@given(st.integers(0, 40), SIZES)
def test_suffixes_are_ends(count: int, size: int) -> None:
    data = bytes(range(size))
    try:
        found = ranges.wanted(f"bytes=-{count}", size)
    except ranges.Unsatisfiable:
        assert not data or not count
        return
    assert found is not None
    assert data[found.first : found.end] == data[-count:]


@given(st.text(max_size=30), SIZES)
def test_any_text_is_a_part_nothing_or_refused(text: str, size: int) -> None:
    try:
        found = ranges.wanted(f"bytes={text}", size)
    except ranges.Unsatisfiable:
        return
    assert found is None or 0 <= found.first < found.end <= size
