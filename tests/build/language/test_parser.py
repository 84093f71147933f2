"""What the parser makes of Dockerfiles: folders with a Dockerfile and the result, one for each corner.

`python -m tests.build.test_parser CASE…` writes the results of new cases; read them before you keep them.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from containerlab.build.language.instructions import Dockerfile, Instruction
from containerlab.build.language.located import DockerfileError
from containerlab.build.language.parser import parse, parse_instructions

CASES = Path(__file__).parent / "parser"


def result_of(case: Path) -> str:
    try:
        return described(parse((case / "Dockerfile").read_bytes(), case.name))
    except DockerfileError as error:
        return f"{error}\n"


def described(dockerfile: Dockerfile) -> str:
    """One line for each instruction, one for each of its fields that says something."""
    lines = [f"{name}: {value}" for name, value in sorted(dockerfile.directives.items())]
    for arg in dockerfile.global_args:
        lines += _lines(arg, "")
    for stage in dockerfile.stages:
        lines += [f"stage {stage.index} {stage.name}", *_lines(stage.from_, "  ")]
        for instruction in stage.instructions:
            lines += _lines(instruction, "  ")
    return "\n".join(lines) + "\n"


def _lines(instruction: Instruction, indent: str) -> Iterator[str]:
    place = instruction.place
    where = str(place.first) if place.first == place.last else f"{place.first}-{place.last}"
    yield f"{indent}{where} {type(instruction).__name__}: {instruction.text}"
    fields = msgspec.to_builtins(instruction)
    for name in instruction.__struct_fields__:
        default = dict(
            zip(instruction.__struct_fields__[::-1], instruction.__struct_defaults__[::-1], strict=False)
        )
        is_known = name in ("place", "text", "keyword") or fields[name] == default.get(name, ...)
        if not is_known and fields[name] not in ([], {}):
            yield f"{indent}    {name} = {json.dumps(fields[name], ensure_ascii=False)}"


@pytest.mark.parametrize("case", sorted(CASES.iterdir()), ids=lambda case: case.name)
def test_case(case: Path) -> None:
    assert result_of(case) == (case / "result").read_text()


def test_text_and_bytes_are_the_same() -> None:
    text = "FROM a\nRUN echo ü\n"
    assert parse(text) == parse(text.encode())


@pytest.mark.parametrize("empty", ["", "\n", "# only a comment", "\ufeff", " \t\r\n"])
def test_nothing_is_refused(empty: str) -> None:
    with pytest.raises(DockerfileError, match="no instructions"):
        parse(empty)


@pytest.mark.parametrize("length", [65_535, 65_536])
@pytest.mark.parametrize("end", ["", "\n", "\nRUN b\n"])
def test_a_line_has_at_most_65535_bytes(length: int, end: str) -> None:
    text = "FROM a\nRUN " + "x" * (length - 4) + end
    if length == 65_535:
        assert len(parse(text).stages[0].instructions[0].text) == length
    else:
        with pytest.raises(DockerfileError, match="Dockerfile:2: the line is longer than 65,535 bytes"):
            parse(text)


def test_a_line_is_measured_in_bytes_but_an_instruction_is_not() -> None:
    with pytest.raises(DockerfileError, match="longer"):
        parse("FROM a\nRUN " + "ü" * 32_767)
    continued = parse("FROM a\nRUN a\\\n" + ("x" * 60_000 + "\\\n") * 5)
    assert len(continued.stages[0].instructions[0].text) == 300_005


def test_bytes_that_are_no_text_may_stand_in_comments_only() -> None:
    assert parse(b"# caf\xe9\nFROM a\nRUN a \\\n# \xff\n b\n").text == "# caf?\nFROM a\nRUN a \\\n# ?\n b\n"
    for wrong in (b"RUN \xff", b"COPY <<E /\n\xff\nE\n"):
        with pytest.raises(DockerfileError, match="not UTF-8") as error:
            parse(b"FROM a\n" + wrong)
        assert error.value.place
        assert error.value.place.first == 2


def test_instructions_alone() -> None:
    found = parse_instructions("RUN a\n\nCOPY <<E /x\ny\nE\n")
    assert [type(each).__name__ for each in found] == ["Run", "Copy"]
    with pytest.raises(DockerfileError, match="trigger:1: FROM: it isn't allowed here"):
        parse_instructions("FROM a", "trigger")


def test_instructions_alone_escape_as_told() -> None:
    (run,) = parse_instructions("RUN a `\n b", escape="`")
    assert run.text == "RUN a  b"


def test_an_onbuild_of_onbuilds_of_onbuilds_is_refused() -> None:
    with pytest.raises(DockerfileError, match="ONBUILD ONBUILD"):
        parse("FROM a\n" + "ONBUILD \\\n" * 20_000 + "RUN a")


@pytest.mark.parametrize(
    "instruction",
    [
        "CMD [" + "[" * 50_000,
        "CMD [" + "1" * 60_000 + "]",
        'CMD ["\\ud800"]',
        "RUN " + "9" * 5_000 + "<<E\nE",
        "HEALTHCHECK --retries=" + "9" * 5_000 + " CMD a",
        "HEALTHCHECK --interval=" + "9h" * 30_000 + " CMD a",
        "RUN " + "'" * 60_001 + "<<E",
        "COPY " + "<<A " * 5_000 + "/\n" + "A\n" * 5_000,
    ],
)
def test_extremes_are_read_or_refused(instruction: str) -> None:
    outcome = b""
    try:
        outcome = msgspec.json.encode(parse(f"FROM a\n{instruction}\n"))
    except DockerfileError as error:
        outcome = str(error).encode()[:2_000]
    assert outcome


if __name__ == "__main__":
    for name in sys.argv[1:]:
        (CASES / name / "result").write_text(result_of(CASES / name))
