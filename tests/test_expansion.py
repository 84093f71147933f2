"""Words of a magic."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from containerlab.errors import InvalidInput
from containerlab.expansion import expand

NAMES = {
    "image": "lab/base",
    "spaced": "a b",
    "many": ["x", 1],
    "folder": Path("/data"),
    "box": SimpleNamespace(id="abc123"),
    "limits": {"m": "64m"},
}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("run {image} ls", ["run", "lab/base", "ls"]),
        ("echo {spaced}", ["echo", "a b"]),
        ("cat {many} end", ["cat", "x", "1", "end"]),
        ("-v {folder}:/x", ["-v", "/data:/x"]),
        ("exec {box} ls", ["exec", "abc123", "ls"]),
        ("-m {limits['m']}", ["-m", "64m"]),
        ('-m {limits["m"]}', ["-m", "64m"]),
        ("{len(many) + 1}", ["3"]),
        ("{[i * 2 for i in range(3)]}", ["0", "2", "4"]),
        ("ps --format '{{.ID}} {{.Image}}'", ["ps", "--format", "{{.ID}} {{.Image}}"]),
        ("ps --format {{.ID}}", ["ps", "--format", "{{.ID}}"]),
        ("sh -c 'echo ${HOME} {image}'", ["sh", "-c", "echo ${HOME} {image}"]),
        ('sh -c "echo ${HOME} $i {image}"', ["sh", "-c", "echo ${HOME} $i lab/base"]),
        ("echo '' \"\"", ["echo", "", ""]),
        (r"a\ b 'c\d' \{image}", ["a b", r"c\d", "{image}"]),
        ("find . -exec rm {} +", ["find", ".", "-exec", "rm", "{}", "+"]),
        ("", []),
    ],
)
def test_words(line: str, words: list[str]) -> None:
    assert expand(line, NAMES) == words


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("run {imag}", "did you mean image"),
        ("run {1 +}", "no Python expression"),
        ("run {1 / 0}", "ZeroDivisionError"),
        ("run x{many}", "2 values within one word"),
        ("run 'x", "does not end"),
    ],
)
def test_what_cannot_be_expanded_is_said(line: str, told: str) -> None:
    with pytest.raises(InvalidInput, match=told):
        expand(line, NAMES)
