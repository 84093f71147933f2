"""No Dockerfile hangs the parser, makes it fail without saying where, or takes more than linear work."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from types import FrameType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from containerlab.build.checks.lint import lint
from containerlab.build.language.expand import expand_document
from containerlab.build.language.located import DockerfileError
from containerlab.build.language.parser import parse
from containerlab.errors import InvalidInput
from tests.build.fuzz_parser import read_anything

_WORDS = (
    *("FROM", "a", "AS", "b", "ARG", "ENV", "RUN", "COPY", "ADD", "LABEL", "ONBUILD", "HEALTHCHECK", "CMD"),
    *("SHELL", "VOLUME", "EXPOSE", "WORKDIR", "USER", "STOPSIGNAL", "MAINTAINER", "ENTRYPOINT", "NONE"),
    *("--from=", "--mount=type=cache,target=/x", "--link", "--", "--chown", "--interval=1s", "--platform=$A"),
    *(
        "<<E",
        "<<-'E'",
        "E",
        "<<",
        "3<<E",
        '["a", "b"]',
        "[",
        "]",
        "{",
        "$A",
        "${A:-",
        "${A//x/",
        "}",
        "a=b",
        "=",
    ),
    *(
        "\\",
        "`",
        "'",
        '"',
        "#",
        "# escape=`",
        "# syntax=x",
        "# check=skip=all",
        "\t",
        "\0",
        "ü",
        "\u2003",
        "\ufeff",
    ),
)
_TEXTS = st.lists(
    st.tuples(st.sampled_from(_WORDS), st.sampled_from([" ", "\n", "", " \\\n", "\r\n", "\n\tE\n", "\nE\n"])),
    max_size=40,
).map(lambda pieces: "".join(word + end for word, end in pieces))


@settings(max_examples=400, deadline=None)
@given(_TEXTS)
def test_any_text_is_read_or_refused(text: str) -> None:
    read_anything(text.encode())
    read_anything(f"FROM scratch\n{text}".encode())


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    read_anything(data)


@settings(max_examples=200, deadline=None)
@given(_TEXTS)
def test_a_refusal_names_a_line_of_the_file(text: str) -> None:
    try:
        parse(f"FROM a\n{text}")
    except DockerfileError as error:
        place = error.place
    else:
        return
    assert place
    assert 1 <= place.first <= place.last <= text.count("\n") + 2


_SHAPES: dict[str, Callable[[int], str]] = {
    "comments": lambda n: "# a\n" * n + "FROM a\n",
    "instructions": lambda n: "FROM a\n" + "run b\n" * n,
    "continued lines": lambda n: "FROM a\nRUN b" + " \\\n c" * n,
    "gaps": lambda n: "FROM a\nRUN b \\\n" + "\n \n# c\n" * n + "c\n",
    "spaces": lambda n: "FROM a\nRUN b" + " \t" * n + "\n",
    "escapes": lambda n: "FROM a\nENV b=" + "\\\\ \\ " * n + "\n",
    "backslashes at the end": lambda n: "FROM a\nRUN " + "\\" * n + "\n",
    "pairs": lambda n: "FROM a\nENV" + "".join(f" \\\n a{i}='b'" for i in range(n)),
    "quotes": lambda n: "FROM a\nLABEL a=" + "'b'\"c\"" * n + "\n",
    "flags": lambda n: "FROM a\nCOPY" + " \\\n --exclude=a" * n + " b c\n",
    "mounts": lambda n: "FROM a\nRUN" + " \\\n --mount=type=cache,target=/a" * n + " b\n",
    "sources": lambda n: "FROM a\nCOPY" + " \\\n a" * n + " b\n",
    "words in JSON": lambda n: "FROM a\nCMD [" + '"a",\\\n' * n + '"b"]\n',
    "documents": lambda n: "FROM a\nCOPY" + " \\\n <<A" * n + " b\n" + "c\nA\n" * n,
    "one document often": lambda n: (
        "FROM a\nCOPY" + " \\\n <<-A" * n + " b\n" + "A\n" * (n - 1) + "\tc\n" * n + "A\n"
    ),
    "lines of a document": lambda n: "FROM a\nRUN <<A\n" + "b\n" * n + "A\n",
    "open documents": lambda n: "FROM a\n" + "RUN <<A b\nA\n" * n + "RUN <<A\n",
    "stages": lambda n: "".join(f"FROM a{i} AS a{i + 1}\nARG b\n" for i in range(n)),
    "arguments": lambda n: "".join(f"ARG a{i}=$a{i - 1}\n" for i in range(n)) + "FROM $a0\n",
    "undefined": lambda n: "FROM scratch\n" + "".join(f"USER $a{i}\n" for i in range(n)),
    "undefined at once": lambda n: "FROM scratch\nARG" + "".join(f" \\\n a{i}=$b{i}" for i in range(n)),
    "wrong at the end": lambda n: "FROM a\n" + "RUN b\n" * n + "RNU c\n",
    "unknown": lambda n: "FROM a\n" + "X" * n,
    "directives": lambda n: "#!/x\n" + "# check=skip=all\n" * n + "FROM a\n",
    "JSON": lambda n: '{"a": ' + "[" * n,
}


def _work(action: Callable[[], object]) -> int:
    """Count the lines of Python and the calls that an action takes."""
    count = 0

    def trace(frame: FrameType, event: str, argument: object) -> object:
        nonlocal count
        count += 1
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        with contextlib.suppress(InvalidInput):
            action()
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize("shape", _SHAPES)
def test_work_grows_with_the_text(shape: str) -> None:
    def read(size: int) -> int:
        text = _SHAPES[shape](size)
        return _work(lambda: lint(parse(text)))

    once, twice = read(100), read(200)
    assert twice < 2.5 * once + 1_000


@pytest.mark.parametrize(
    "text", ["$A", "${A:-b}", "${A#*b*}", "${A//?b/c}", "'a'", '"$A"', "\\a", "${A:+${A:-", " a"]
)
def test_work_grows_with_what_is_expanded(text: str) -> None:
    def expand(size: int) -> int:
        return _work(lambda: expand_document(text * size, {"A": "ab"}))

    assert expand(200) < 2.5 * expand(100) + 1_000


@pytest.mark.slow
@pytest.mark.parametrize("shape", _SHAPES)
def test_large_files_come_to_an_end(shape: str) -> None:
    with contextlib.suppress(InvalidInput):
        lint(parse(_SHAPES[shape](20_000)))
