"""What announces a document, and what a shell is given of one."""

from __future__ import annotations

import pytest

from containerlab.build.language.heredocs import announced, mark, script, shell_text
from containerlab.build.language.instructions import Command, Run
from containerlab.build.language.parser import parse_instructions


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("RUN <<A", ["A"]),
        ("RUN <<-A 4<<B", ["A", "B"]),
        ("RUN <<  A  > b", ["A"]),
        ("RUN << -A", ["-A"]),
        ("RUN <<- A", []),
        ("RUN <<$A", ["$A"]),
        (r"RUN <<'a'b\'c", ["ab'c"]),
        ("RUN <<'a b'", ["a b"]),
        ("RUN '<<A' \"<<B\"", []),
        ("RUN cat <<<A", []),
        ("RUN a<<A", []),
        ("RUN <<A 'open", []),
    ],
)
def test_what_a_line_announces(line: str, names: list[str]) -> None:
    assert [found.name for found in announced(line)] == names


@pytest.mark.parametrize("word", ["", "A", "<<", "<<-", "<A", "<<<A", "<<A b", "<<'A", '<<A"'])
def test_words_that_announce_nothing(word: str) -> None:
    assert mark(word) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("RUN echo a", "echo a"),
        ("RUN <<E\na\nb\nE", "a\nb\n"),
        ("RUN <<-E\n\ta\n\tE", "a\n"),
        ("RUN <<-E cat >x\n\ta\n\tE", "<<-E cat >x\n\ta\nE"),
        ("RUN <<'E' cat && <<F sh\n$a\nE\nb\nF", "<<'E' cat && <<F sh\n$a\nE\nb\nF"),
    ],
)
def test_what_a_shell_is_given(text: str, expected: str) -> None:
    assert shell_text(_command(text)) == expected


@pytest.mark.parametrize(
    ("text", "is_script"),
    [
        ("RUN <<E\n#!/usr/bin/env python3\nprint()\nE", True),
        ("RUN <<E\necho\nE", False),
        ("RUN <<E sh\n#!/bin/sh\nE", False),
        ("RUN echo a", False),
        ('RUN ["a"]', False),
    ],
)
def test_a_lone_document_with_a_shebang_is_a_script(text: str, is_script: bool) -> None:
    assert (script(_command(text)) is not None) == is_script


def _command(text: str) -> Command:
    (run,) = parse_instructions(text)
    assert isinstance(run, Run)
    return run.command
