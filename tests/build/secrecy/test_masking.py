"""Secrets in output are hidden in whatever form and however the output is cut."""

from __future__ import annotations

import base64
import json
import re
import urllib.parse
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from containerlab.build.secrecy.masking import MASK, Masker

VALUE = b"q7Zk/9v+w2Lm~T"
FILE = (
    b"""# settings
registry=https://registry.example.org/
//registry.example.org/:_authToken=abc-%s
user = {
"""
    % b"defg"
)


def masked(values: list[bytes], *chunks: bytes) -> bytes:
    masker = Masker(values)
    return b"".join(map(masker.feed, chunks)) + masker.flush()


def test_a_value_is_hidden_where_it_is_cut() -> None:
    for at in range(len(VALUE) + 1):
        assert masked([VALUE], b"a " + VALUE[:at], VALUE[at:] + b" b") == b"a *** b"


@pytest.mark.parametrize(
    "form",
    [
        VALUE.hex().encode(),
        VALUE.hex().upper().encode(),
        urllib.parse.quote(VALUE, safe="").encode(),
        re.sub("%..", lambda code: code[0].lower(), urllib.parse.quote(VALUE, safe="")).encode(),
        base64.b64encode(VALUE),
        base64.b64encode(VALUE + b"\n"),
        base64.b64encode(b"user:" + VALUE),
        base64.b64encode(b"u:" + VALUE + b":more"),
        base64.urlsafe_b64encode(b"a:b:" + VALUE),
    ],
)
def test_encoded_values_are_hidden(form: bytes) -> None:
    shown = masked([VALUE], b"<" + form + b">")
    assert MASK in shown
    assert len(shown) <= len("<***>") + len(b"a:b:") * 2 + 4
    assert shown[:1] + shown[-1:] == b"<>"


@pytest.mark.parametrize("length", [4, 5, 6, 19, 20, 21])
def test_nothing_is_left_of_a_value_that_base64_has_alone(length: int) -> None:
    value = b"q7Zk/9v+w2Lm~Trx8Pb1N"[:length]
    for encoded in (base64.b64encode(value), base64.b64encode(value + b"\n")):
        assert masked([value], b"<" + encoded + b">") == b"<***>"


def test_quoting_does_not_show_a_value() -> None:
    value = "say \"it's' now"
    for quoted in (
        json.dumps(value),
        "'" + value.replace("'", "'\\''") + "'",
        urllib.parse.quote_plus(value),
    ):
        assert b"now" not in masked([value.encode()], quoted.encode())


def test_a_long_value_is_one_mask() -> None:
    value = b"".join(b"%d," % number for number in range(5000))
    assert masked([value], b"<", value[:3000], value[3000:], b">") == b"<***>"


def test_a_value_that_went_through_a_terminal_is_hidden_line_by_line() -> None:
    key = b"-----BEGIN A KEY-----\nMIIBVAIBADANBg\nkqhkiG9w0BAQEF\n"
    assert masked([key], key.replace(b"\n", b"\r\n")) == b"***\r\n***\r\n***\r\n"


def test_what_a_file_of_settings_keeps_secret_is_hidden_by_itself() -> None:
    assert masked([FILE], b"token abc-defg; {") == b"token ***; {"


def test_overlapping_values_leave_nothing() -> None:
    assert masked([b"abcdef", b"defghi"], b"-abcdefghi-") == b"-***-"
    assert masked([b"abab"], b"ababab") == MASK


def test_short_and_empty_values_change_nothing() -> None:
    assert masked([b"", b"a", b"\n", b"abc"], b"abc a\n") == b"abc a\n"


def test_what_cannot_begin_a_value_is_shown_at_once() -> None:
    masker = Masker([VALUE])
    assert masker.feed(b"progress 10%") == b"progress 10%"
    assert masker.feed(b"\r" + VALUE[:3]) == b"\r"
    assert masker.feed(b"...") == VALUE[:3] + b"..."


def test_two_streams_do_not_mix() -> None:
    one = Masker([VALUE])
    two = one.another()
    assert one.feed(VALUE[:4]) + two.feed(VALUE[4:]) == VALUE[4:]
    assert two.feed(VALUE) == MASK


def test_a_whole_text_is_masked() -> None:
    masker = Masker([VALUE])
    assert masker.mask(f"RUN curl {VALUE.decode()} \udcff é") == "RUN curl *** \udcff é"


LETTERS = st.text("ab", min_size=0, max_size=40).map(str.encode)


@pytest.mark.slow
@given(st.lists(st.text("ab", min_size=4, max_size=8).map(str.encode), max_size=3), LETTERS, st.data())
def test_any_cutting_gives_what_the_whole_gives(
    values: list[bytes], text: bytes, data: st.DataObject
) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    chunks = [text[start:end] for start, end in pairwise([0, *cuts, len(text)])]
    assert masked(values, *chunks) == by_hand(values, text)


def by_hand(values: list[bytes], text: bytes) -> bytes:
    """Mask byte by byte."""
    edges = {
        (at, at + len(value)) for value in values for at in range(len(text)) if text[at:].startswith(value)
    }
    hidden = {at for start, end in edges for at in range(start, end)}
    shown = b""
    for at in range(len(text)):
        if at not in hidden:
            shown += text[at : at + 1]
        elif at - 1 not in hidden:
            shown += MASK
    return shown


@given(
    st.binary(min_size=4, max_size=60).filter(lambda value: len(value.strip()) >= 4), st.binary(max_size=20)
)
def test_no_value_is_ever_shown(value: bytes, around: bytes) -> None:
    assert value.strip() not in masked([value], around + value + around)
