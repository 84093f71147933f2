"""What .dockerignore leaves out: the cases of moby/patternmatcher, and the pruning against the plain way."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from containerlab import errors
from containerlab.build.files import glob, ignore
from containerlab.build.files.ignore import Matcher, Verdict, read


def is_ignored(path: str, *patterns: str) -> bool:
    return Matcher(patterns).judge_path(path).is_ignored


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("**", "file", True),
        ("**", "dir/file", True),
        ("**/", "file", True),
        ("**/**", "dir/file", True),
        ("dir/**", "dir/file", True),
        ("dir/**", "dir", False),
        ("dir/**", "dir2/file", False),
        ("**/dir", "dir", True),
        ("**/dir", "a/dir", True),
        ("**/dir", "adir", False),
        ("**/dir", "a/dir/file", True),
        ("**/*.txt", "file.txt", True),
        ("**/*.txt", "a/b/file.txt", True),
        ("**/file", "dir/dir/file", True),
        ("a**b", "a/x/b", True),
        ("a**b", "ab", True),
        ("a/**/b", "a/b", True),
        ("a/**/b", "a/x/y/b", True),
        ("**foo", "barfoo", True),
        ("foo**", "foobar/x", True),
        ("**/foo/bar", "a/foo/bar", True),
        ("**/foo/bar", "foo/bar", True),
        ("abc.def", "abcdef", False),
        ("abc.def", "abcZdef", False),
        ("abc?def", "abcZdef", True),
        ("a\\\\", "a\\", True),
        ("a\\*b", "a*b", True),
        ("a\\*b", "axb", False),
        ("a[b-d]e", "ace", True),
        ("a[^b-d]e", "afe", True),
        ("a[^b-d]e", "ace", False),
        ("[]x]", "x", None),
        ("a[", "a", None),
        ("a\\", "a", None),
        ("*c", "abc", True),
        ("a*/b", "abc/b", True),
        ("a*/b", "a/c/b", False),
        ("docs", "docs/a/b", True),
        ("docs", "docsy", False),
        ("docs/../x", "x", True),
        (".", "x", False),
        ("{x}+(y)|$^", "{x}+(y)|$^", True),
        ("[[]", "[", True),
        ("*", "new\nline", True),
    ],
)
def test_patterns(pattern: str, path: str, matches: bool | None) -> None:
    if matches is None:
        with pytest.raises(errors.InvalidInput):
            is_ignored(path, pattern)
    else:
        assert is_ignored(path, pattern) is matches


def test_the_last_pattern_that_matches_wins() -> None:
    assert not is_ignored("README.md", "*.md", "!README.md")
    assert is_ignored("README.md", "!README.md", "*.md")
    assert is_ignored("README-secret.md", "*.md", "!README*.md", "README-secret.md")


def test_taking_back_below_a_folder_that_is_left_out() -> None:
    assert is_ignored("a", "*", "!a/b")
    assert not is_ignored("a/b/c", "*", "!a/b")
    assert is_ignored("a/x", "*", "!a/b")


def test_a_lone_exclamation_mark_is_refused() -> None:
    with pytest.raises(errors.InvalidInput, match="takes nothing back"):
        Matcher(read("!\n"))


def test_reading_a_file() -> None:
    text = "\ufeff# comment\r\n/abs/\n  spaced \n\n #no comment\n! /b/c/ \n..//d\n/\n!\n"
    assert read(text) == ("abs", "spaced", "#no comment", "!b/c", "../d", "/", "!")


NAMES = st.sampled_from(["a", "b", "ab", "c.d"])
PARTS = st.sampled_from(["a", "b", "ab", "c.d", "*", "a*", "?", "**", "[ab]", "[^a]", "*.d", "a**", "**b"])
PATTERNS = st.builds(
    lambda sign, parts: sign + "/".join(parts),
    st.sampled_from(["", "", "!"]),
    st.lists(PARTS, min_size=1, max_size=3),
)
PATHS = [
    "/".join(parts)
    for depth in (1, 2, 3)
    for parts in itertools.product(("a", "b", "ab", "c.d"), repeat=depth)
]


def plain_way(patterns: list[str], path: str) -> bool:
    """Decide as moby/patternmatcher's MatchesUsingParentResults does, asked from the top down."""
    matchers = [Matcher([pattern.removeprefix("!")]) for pattern in patterns]
    above: list[bool] = []
    ignored = False
    names = path.split("/")
    for depth in range(1, len(names) + 1):
        own, ignored = [], False
        for index, pattern in enumerate(patterns):
            match = bool(above) and above[index]
            if not match and pattern.startswith("!") == ignored:
                match = matchers[index].judge("/".join(names[:depth])).is_ignored
            own.append(match)
            if match:
                ignored = not pattern.startswith("!")
        above = own
    return ignored


@given(st.lists(PATTERNS, max_size=5), st.lists(NAMES, min_size=1, max_size=4))
def test_decides_like_the_plain_way(patterns: list[str], names: list[str]) -> None:
    path = "/".join(names)
    assert is_ignored(path, *patterns) is plain_way(patterns, path)


@given(st.lists(PATTERNS, max_size=5))
def test_what_is_pruned_has_nothing_to_keep(patterns: list[str]) -> None:
    matcher = Matcher(patterns)
    for path in PATHS:
        if not is_ignored(path, *patterns):
            for above in itertools.accumulate(path.split("/")[:-1], "{}/{}".format):
                verdict: Verdict = matcher.judge_path(above)
                assert not verdict.is_ignored or matcher.may_keep_below(above, verdict)


def test_folders_that_cannot_hold_what_is_taken_back_are_pruned() -> None:
    matcher = Matcher(["node_modules", "*.log", "!src/*.log", "!node_modules/keep"])
    assert matcher.may_keep_below("node_modules", matcher.judge_path("node_modules"))
    assert not matcher.may_keep_below("node_modules/x", matcher.judge_path("node_modules/x"))
    assert not Matcher(["a", "b"]).may_keep_below("a", matcher.judge_path("a"))


@given(st.lists(PARTS, min_size=1, max_size=4), st.lists(st.text("abc/", max_size=6), max_size=4))
def test_matching_without_going_back_finds_the_same(parts: list[str], names: list[str]) -> None:
    path = re.sub("/+", "/", "/".join(names)).strip("/")
    pattern = "/".join(parts)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(glob, "joined", "".join)
        plain = re.compile(ignore._expression(pattern))
    assert bool(re.fullmatch(ignore._expression(pattern), path)) is bool(plain.fullmatch(path))


@given(st.text("ab*?[]^-/c", min_size=1, max_size=12), st.text("abc/", max_size=12))
def test_names_match_the_same_without_going_back(pattern: str, path: str) -> None:
    try:
        fast = glob.compile(pattern)
    except errors.InvalidInput:
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(glob, "joined", "".join)
        assert bool(fast.fullmatch(path)) is bool(glob.compile(pattern).fullmatch(path))


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("*a" * 20 + "b", "a" * 200),
        ("**/a/" * 12 + "b", "/".join("a" * 60)),
        ("**/*a*a*a*a*b/" * 6 + "c", "/".join(["a" * 30] * 20)),
    ],
)
def test_no_pattern_takes_long(pattern: str, path: str) -> None:
    assert not is_ignored(path, pattern)
    assert not glob.compile("*a" * 20 + "b").fullmatch(path)
