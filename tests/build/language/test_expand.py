"""Expansion of a Dockerfile's words, corner by corner as BuildKit does it."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from containerlab.build.language.expand import expand, expand_document, expand_shown, expand_words, raw_words
from containerlab.errors import InvalidInput

VARIABLES = {"HOME": "/root", "EMPTY": "", "NAME": "a.tar.gz", "Ü": "ü", "STARS": "a**", "LIST": "x  y"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("", ""),
        ("$HOME/bin", "/root/bin"),
        ("${HOME}bin", "/rootbin"),
        ("$NOTHING-", "-"),
        ("$HOME$HOME", "/root/root"),
        ("$Ü", "ü"),
        ("a$", "a$"),
        ("a$.b", "a$.b"),
        ("$1x", "x"),
        ("$123x", "x"),
        ("$@x", "x"),
        ("\ufeffx", "x"),
        # quotes and escapes
        ("a'b'c", "abc"),
        ("'$HOME'", "$HOME"),
        ('"$HOME"', "/root"),
        ("\"a'$HOME'\"", "a'/root'"),
        ("'\"a\"'", '"a"'),
        (r"\$HOME", "$HOME"),
        (r"\\$HOME", "\\/root"),
        (r"a\b", "ab"),
        (r'"a\b"', r"a\b"),
        (r"'a\b'", r"a\b"),
        (r'"\$HOME"', "$HOME"),
        (r'"\\"', "\\"),
        (r"'a\'", "a\\"),
        ("a\\", "a"),
        ("a  b", "a  b"),
        # defaults
        ("${X:-d}", "d"),
        ("${X-d}", "d"),
        ("${EMPTY:-d}", "d"),
        ("${EMPTY-d}", ""),
        ("${HOME:-d}", "/root"),
        ("${X:-$HOME}", "/root"),
        ("${X:-${Y:-z}}", "z"),
        (r"${X:-\${Y}z}", "${Yz}"),
        ("${X:-'a}b'}", "a}b"),
        ("${X:-a b {c}", "a b {c"),
        ("${X}}", "}"),
        # alternatives
        ("${X:+a}", ""),
        ("${X+a}", ""),
        ("${EMPTY:+a}", ""),
        ("${EMPTY+a}", "a"),
        ("${HOME:+a$HOME}", "a/root"),
        # what must be there
        ("${HOME:?m}", "/root"),
        ("${EMPTY?m}", ""),
        # ends cut off
        ("${NAME%.*}", "a.tar"),
        ("${NAME%%.*}", "a"),
        ("${NAME#*.}", "tar.gz"),
        ("${NAME##*.}", "gz"),
        ("${NAME#?}", ".tar.gz"),
        ("${NAME%gz}", "a.tar."),
        ("${NAME%x}", "a.tar.gz"),
        ("${NAME#}", "a.tar.gz"),
        ("${NAME##}", "a.tar.gz"),
        ("${X#a}", ""),
        (r"${STARS%\*}", "a*"),
        (r"${STARS%%\**}", "a"),
        ("${NAME#$X}", "a.tar.gz"),
        ("${NAME%.$Z}${NAME%${X:-.gz}}", "a.tar.gza.tar"),
        # replacements
        ("${NAME/a/b}", "b.tar.gz"),
        ("${NAME//a/b}", "b.tbr.gz"),
        ("${NAME/./}", "atar.gz"),
        ("${NAME//./}", "atargz"),
        ("${NAME/.*/}", "a"),
        ("${NAME//?/x}", "xxxxxxxx"),
        (r"${HOME//\//\\/}", r"\\/root"),
        ("${NAME//a/$HOME}", "/root.t/rootr.gz"),
        (r"${NAME//a/[\$0]}", r"[\a].t[\a]r.gz"),
        ("${X/a/b}", ""),
    ],
)
def test_word(text: str, expected: str) -> None:
    assert expand(text, VARIABLES) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("'a", '"a', r'"a\"', "${", "${HOME", "${}", "${:}", "${:-x}", "${{HOME}}", "${.}", "${HOME:-x"),
        *("${HOME:x}", "${HOME=x}", "${HOME:=x}", "${HOME:#x}", "${HOME/x}", "${HOME//}", "${HOME/x/y"),
        *("${X?}", "${X:?}", "${EMPTY:?}", r"${HOME#\x}", r"${X:-'}"),
    ],
)
def test_wrong_word(text: str) -> None:
    with pytest.raises(InvalidInput):
        expand(text, VARIABLES)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("${X?say $HOME}", "X: say /root"),
        ("${EMPTY:?}", "EMPTY: is not allowed to be empty"),
        ("${X:?}", "X: is not allowed to be unset"),
    ],
)
def test_what_must_be_there_says_its_message(text: str, message: str) -> None:
    with pytest.raises(InvalidInput) as error:
        expand(text, VARIABLES)
    assert error.value.message == message


def test_another_escape_leaves_backslashes_alone() -> None:
    assert expand(r"c:\dir`$HOME`\\", VARIABLES, "`") == r"c:\dir$HOME\\"


def test_names_are_told() -> None:
    missing: list[str] = []
    found: list[str] = []
    expand("$X ${HOME:+$Y} '$Z' ${W:-$HOME}", VARIABLES, "\\", missing.append, found.append)
    assert (missing, found) == (["X", "Y", "W"], ["HOME", "HOME"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("80", ["80"]),
        (" 80  $LIST/tcp ", ["80", "x", "y/tcp"]),
        ('"$LIST"', ["x  y"]),
        ("'' \"\"", []),
        (r"a\ b c", ["a b", "c"]),
        ("$EMPTY", []),
        ("a${X:-b c}d", ["ab", "cd"]),
    ],
)
def test_words(text: str, expected: list[str]) -> None:
    assert expand_words(text, VARIABLES) == expected


def test_a_document_keeps_its_quotes() -> None:
    assert expand_document('it\'s "$HOME" \\$HOME\n', VARIABLES) == 'it\'s "/root" $HOME\n'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("RUN echo '$HOME' \"$HOME\"", "RUN echo '$HOME' \"/root\""),
        ("RUN $X ${X} ${X:-y} ${X%a} ${X/a/b} ${X//a/b}", "RUN $X ${X} ${X:-y} ${X%a} ${X/a/b} ${X//a/b}"),
        ("RUN echo it's", "RUN echo it's"),
    ],
)
def test_what_is_shown_keeps_quotes_and_what_is_unknown(text: str, expected: str) -> None:
    assert expand_shown(text, VARIABLES) == expected


def test_raw_words_keep_all() -> None:
    assert raw_words(r"a 'b c' \d << 'e'", True, True) == ["a", "'b c'", r"\d", "<< 'e'"]


def test_deep_nesting_is_refused() -> None:
    assert expand("${X:-" * 40 + "a" + "}" * 40, {}) == "a"
    with pytest.raises(InvalidInput, match="nested"):
        expand("${X:-" * 10_000 + "}" * 10_000, {})


def test_variables_that_double_are_refused() -> None:
    variables = {"A": "x"}
    for _ in range(24):
        variables["A"] = expand("$A$A", variables)
    with pytest.raises(InvalidInput, match="too large"):
        expand("$A$A", variables)
    with pytest.raises(InvalidInput, match="too much"):
        expand("${A//?/" + "y" * 50_000 + "}", {"A": "x" * 50_000})


_PIECES = st.sampled_from(
    ["$", "${", "}", "A", "B", ":", "-", "+", "?", "#", "%", "/", "*", "\\", "'", '"', " ", "<"]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(_PIECES, max_size=40).map("".join), st.sampled_from("\\`"))
def test_anything_expands_or_is_refused(text: str, escape: str) -> None:
    variables = {"A": "a*b/c", "AB": ""}
    for form in (expand, expand_words):
        with contextlib.suppress(InvalidInput):
            form(text, variables, escape)
    expand_shown(text, variables, escape)


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet=st.characters(exclude_characters="$'\"\\\ufeff<"), max_size=50))
def test_text_without_anything_special_stays(text: str) -> None:
    assert expand(text, {}) == text
