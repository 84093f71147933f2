"""Durations in Go's words."""

from __future__ import annotations

import pytest

from containerlab.build.language.durations import nanoseconds
from containerlab.errors import InvalidInput


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0),
        ("0s", 0),
        ("1ns", 1),
        ("1us", 1_000),
        ("1µs", 1_000),
        ("1.5ms", 1_500_000),
        (".5s", 500_000_000),
        ("1.s", 1_000_000_000),
        ("1h1m1s", 3_661_000_000_000),
        ("-1s", -1_000_000_000),
        ("+1s", 1_000_000_000),
    ],
)
def test_duration(text: str, expected: int) -> None:
    assert nanoseconds(text) == expected


@pytest.mark.parametrize(
    "text", ["", "1", "s", ".s", "1d", "1 s", "1s ", "--1s", "1e3s", "3000000h", "1s" * 1_000]
)
def test_wrong_duration(text: str) -> None:
    with pytest.raises(InvalidInput):
        nanoseconds(text)
