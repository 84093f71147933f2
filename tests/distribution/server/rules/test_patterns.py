"""Patterns of tags, held against Python's own `re` and `fnmatch`."""

from __future__ import annotations

import fnmatch
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from containerlab.distribution.server.rules.patterns import compiled
from containerlab.errors import InvalidInput

_ATOMS = st.sampled_from(["a", "b", "1", ".", "[ab]", "[^a]", "[0-9]", r"\d", r"\w", r"\.", "-"])
_REGEXPS = st.recursive(
    _ATOMS,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map("|".join),
        st.tuples(inner, st.sampled_from(["*", "+", "?", "{2}", "{1,3}", "{0}", "{2,}", "{0,1}"])).map(
            lambda pair: f"({pair[0]}){pair[1]}"
        ),
    ),
    max_leaves=8,
)
_TAGS = st.text("ab1.-_", max_size=12)


@given(_REGEXPS, _TAGS)
@settings(max_examples=400, deadline=None, derandomize=True)
def test_a_regular_expression_matches_as_pythons_does(pattern: str, tag: str) -> None:
    assert compiled(f"/{pattern}/").matches(tag) == bool(re.fullmatch(pattern, tag))


@given(st.text("ab1.-*?", min_size=1, max_size=8), _TAGS)
@settings(max_examples=400, deadline=None, derandomize=True)
def test_a_glob_matches_as_the_shell_does(pattern: str, tag: str) -> None:
    assert compiled(pattern).matches(tag) == fnmatch.fnmatchcase(tag, pattern)


@pytest.mark.parametrize("pattern", ["[a-c]x", "[!a]x", "[]]x", "v[0-9]*", "[a-]x"])
@pytest.mark.parametrize("tag", ["ax", "dx", "]x", "v1.2", "-x"])
def test_sets_of_a_glob_are_the_shells(pattern: str, tag: str) -> None:
    assert compiled(pattern).matches(tag) == fnmatch.fnmatchcase(tag, pattern)


@pytest.mark.parametrize(
    "pattern", ["/(a+)+b/", "/(a|a)*b/", "/(.*)*(.*)*x/", "*a*a*a*a*a*a*a*a*a*b", "/(a?){60}a{60}/"]
)
def test_what_makes_others_hang_takes_no_time(pattern: str) -> None:
    assert compiled(pattern).matches("a" * 128) is False


_WRONG = (
    "", "x" * 201, "/(/", "/)/", "/a)b/", "/[a/", "[a", "/*a/", "/a{3,2}/", "/a{x}/", "/(?=a)/",
    r"/\1/", r"/\/", "a/b", "/" + "(" * 99 + ")" * 99 + "/", "/((((a{99}){99}){99}){99})/",
)  # fmt: skip


@pytest.mark.parametrize("pattern", _WRONG)
def test_a_pattern_that_says_nothing_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidInput):
        compiled(pattern)
