"""Text to numbers and back."""

from __future__ import annotations

import signal
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from containerlab import units
from containerlab.errors import InvalidInput


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [
        ("0", 0),
        ("64m", 64 << 20),
        ("1.5GiB", 3 << 29),
        ("1kb", 1024),
        ("512 K", 512 << 10),
        ("2T", 2 << 40),
        (7, 7),
    ],
)
def test_size_is_read_as_docker_does(text: str | int, size_bytes: int) -> None:
    assert units.size(text) == size_bytes


@pytest.mark.parametrize(
    "text", ["", "m", "1x", "-1", "1..5k", "1 2", "0x10", "9e", "٣m²", None, True, float("nan")]
)
def test_wrong_size_is_refused_with_a_hint(text: object) -> None:
    with pytest.raises(InvalidInput) as caught:
        units.size(text)  # type: ignore[arg-type]  # wrong on purpose
    assert caught.value.hint


@given(st.integers(min_value=0, max_value=2**63 - 1))
def test_size_in_bytes_survives(size_bytes: int) -> None:
    assert units.size(str(size_bytes)) == units.size(size_bytes) == size_bytes


@given(st.integers(min_value=0, max_value=2**60))
def test_formatted_size_is_within_five_percent(size_bytes: int) -> None:
    text = units.format_size(size_bytes)
    assert len(text) <= len("1023.9 MiB")
    assert abs(units.size(text) - size_bytes) <= 0.05 * size_bytes


@given(st.text(max_size=12))
def test_any_text_is_read_or_refused(text: str) -> None:
    for read in (units.size, units.seconds, units.cores, units.count, units.signal_number, units.moment):
        with suppress(InvalidInput):
            read(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("10s", 10), ("1m30s", 90), ("500ms", 0.5), ("1.5h", 5400), (".5s", 0.5), (3, 3), ("2", 2)],
)
def test_duration(text: str | int, seconds: float) -> None:
    assert units.seconds(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "-1", "1x", "s", "1s2", "inf", "nan", "10s garbage"])
def test_wrong_duration_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        units.seconds(text)


@given(st.integers(min_value=1, max_value=64))
def test_signal_is_the_same_by_name_and_number(number: int) -> None:
    name = units.signal_name(number)
    if not name.isdigit():
        assert units.signal_number(name) == units.signal_number(name.removeprefix("SIG").lower()) == number


def test_real_time_signals_count_from_both_ends() -> None:
    assert units.signal_number("RTMIN+3") == signal.SIGRTMIN + 3
    assert units.signal_number("SIGRTMAX-1") == signal.SIGRTMAX - 1


def test_wrong_signal_names_the_nearest() -> None:
    with pytest.raises(InvalidInput, match="TERM"):
        units.signal_number("TREM")


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("1970-01-01T00:01:00Z", 60),
        ("1970-01-01T01:01:00+01:00", 60),
        ("1970-01-01T00:00:00.123456789Z", 0.123456),
        ("1700000000.25", 1700000000.25),
        ("10m", 400),
        ("1h", -2600),
    ],
)
def test_moment(text: str, moment: float) -> None:
    assert units.moment(text, now=1000.0) == pytest.approx(moment)


def test_count_keeps_its_limits() -> None:
    assert units.count("-1", least=-1) == -1
    with pytest.raises(InvalidInput, match="between 0 and 100"):
        units.count(101, 0, 100)
