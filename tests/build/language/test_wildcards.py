"""Patterns of substitutions, compared with regular expressions where those are quick enough."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from containerlab.build.language.wildcards import Wildcard
from containerlab.errors import InvalidInput

_PATTERNS = st.text(alphabet="ab*?.", max_size=6)
_VALUES = st.text(alphabet="ab.\n", max_size=10)


def _regex(pattern: str, star: str) -> str:
    return "".join(star if char == "*" else "." if char == "?" else re.escape(char) for char in pattern)


@settings(max_examples=500, deadline=None)
@given(_PATTERNS, _VALUES, st.booleans())
def test_prefix_is_what_a_regular_expression_matches(pattern: str, value: str, is_longest: bool) -> None:
    match = re.match(_regex(pattern, ".*" if is_longest else ".*?"), value)
    expected = value[match.end() :] if match else value
    assert Wildcard(pattern).without_prefix(value, is_longest) == expected


@settings(max_examples=500, deadline=None)
@given(_PATTERNS, _VALUES)
def test_first_match_is_what_a_regular_expression_matches(pattern: str, value: str) -> None:
    expected = re.sub(_regex(pattern, ".*"), "<>", value, count=1)
    assert Wildcard(pattern).replace_first(value, "<>") == expected


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="ab?.", min_size=1, max_size=4), _VALUES)
def test_all_matches_are_what_a_regular_expression_matches(pattern: str, value: str) -> None:
    assert Wildcard(pattern).replace_all(value, "<>", 1000) == re.sub(_regex(pattern, ""), "<>", value)


@settings(max_examples=300, deadline=None)
@given(_PATTERNS, _VALUES, st.booleans())
def test_suffix_is_a_prefix_turned(pattern: str, value: str, is_longest: bool) -> None:
    turned = Wildcard(pattern[::-1]).without_prefix(value[::-1], is_longest)[::-1]
    assert Wildcard(pattern).without_suffix(value, is_longest) == turned


@pytest.mark.parametrize(
    ("pattern", "value", "expected"),
    [("*", "abc", "<>"), ("", "ab", "<>a<>b<>"), ("b*", "abab", "a<>"), ("x", "ab", "ab")],
)
def test_all_matches_of_stars_and_of_nothing(pattern: str, value: str, expected: str) -> None:
    assert Wildcard(pattern).replace_all(value, "<>", 100) == expected


def test_replacements_of_all_know_the_match() -> None:
    assert Wildcard("?b").replace_all("ab", "$0${0}$$$1x$", 100) == "abab$$"


@pytest.mark.parametrize("pattern", ["\\", "\\x", "a\\", "\\\\\\"])
def test_an_escape_before_nothing_special_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidInput, match="invalid escape"):
        Wildcard(pattern)


def test_many_stars_take_no_time() -> None:
    value = "a" * 2_000
    assert Wildcard("a*" * 500 + "b").without_prefix(value, True) == value
    assert Wildcard("*a" * 500 + "b").without_suffix(value, False) == value
    assert Wildcard("a*" * 500 + "b").replace_all(value, "", 10_000) == value
