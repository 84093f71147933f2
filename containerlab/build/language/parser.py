"""A Dockerfile's text becomes typed instructions.

Source: Dockerfile reference, syntax 1.x, as BuildKit reads it.
"""

from __future__ import annotations

from containerlab.build.language import directives, lines, statements
from containerlab.build.language.instructions import Arg, Dockerfile, From, Instruction, Place, Stage
from containerlab.build.language.located import DockerfileError, at
from containerlab.build.language.words import SPACES
from containerlab.errors import InvalidInput

__all__ = ["parse", "parse_instructions"]


def parse(text: str | bytes, name: str = "Dockerfile") -> Dockerfile:
    """Read a whole Dockerfile. `name` is what messages call it.

    Raises: DockerfileError, which names the line.

    >>> parse("FROM scratch AS empty").stages[0].name
    'empty'
    """
    source = _decoded(text)
    shown = _shown(source)
    found = _directives(source, name, shown)
    instructions = _read(source, name, found.get("escape", "\\"), _hint(source, found))
    if not instructions:
        raise DockerfileError(f"{name}: there are no instructions in it")
    global_args: list[Arg] = []
    stages: list[tuple[From, list[Instruction]]] = []
    for instruction in instructions:
        if isinstance(instruction, From):
            stages.append((instruction, []))
        elif stages:
            stages[-1][1].append(instruction)
        elif isinstance(instruction, Arg):
            global_args.append(instruction)
        else:
            message = f"{instruction.keyword.upper()}: there is no build stage yet"
            raise at(name, shown, instruction.place, message, "only ARG may stand before the first FROM")
    if not stages:
        raise at(
            name, shown, instructions[-1].place, "there is no FROM in it", "FROM scratch begins with nothing"
        )
    return Dockerfile(
        name=name,
        text=shown,
        directives=found,
        global_args=tuple(global_args),
        stages=tuple(
            Stage(index=index, from_=from_, instructions=tuple(inside))
            for index, (from_, inside) in enumerate(stages)
        ),
    )


def parse_instructions(text: str, name: str = "Dockerfile", escape: str = "\\") -> tuple[Instruction, ...]:
    """Read instructions of one stage: what ONBUILD kept, or what is to be added to an image.

    Raises: DockerfileError, which names the line; also for a FROM.
    """
    instructions = _read(text, name, escape)
    for instruction in instructions:
        if isinstance(instruction, From):
            raise at(name, _shown(text), instruction.place, "FROM: it isn't allowed here")
    return instructions


def _read(source: str, name: str, escape: str, hint: str = "") -> tuple[Instruction, ...]:
    try:
        return tuple(_instruction(line, escape) for line in lines.read(source, escape))
    except lines.Misplaced as error:
        cause = error.cause
        message = f"{error.keyword.upper()}: {cause.message}" if error.keyword else cause.message
        raise at(name, _shown(source), error.place, message, cause.hint or hint) from None


def _instruction(line: lines.Line, escape: str) -> Instruction:
    try:
        return statements.read(line, escape)
    except statements.Unknown as error:
        raise lines.Misplaced(line.place, error) from None
    except InvalidInput as error:
        raise lines.Misplaced(line.place, error, line.statement.keyword) from None


def _directives(source: str, name: str, shown: str) -> dict[str, str]:
    try:
        return directives.read(source.removeprefix("\ufeff"))
    except directives.Wrong as error:
        raise at(name, shown, Place(error.line, error.line), error.message, error.hint) from None


def _hint(source: str, found: dict[str, str]) -> str:
    """Explain a file that says, not in a comment of Dockerfiles, what else it is."""
    is_foreign = "syntax" in found and source.lstrip("\ufeff" + SPACES).startswith(("//", "{"))
    return f"it asks to be read by {found['syntax']}, and is no Dockerfile" if is_foreign else ""


def _decoded(text: str | bytes) -> str:
    """Bytes that are not UTF-8 may stand in comments, as many an old file has them."""
    return text.decode("utf-8", "surrogateescape") if isinstance(text, bytes) else text


def _shown(source: str) -> str:
    return source if source.isascii() else source.encode("utf-8", "replace").decode()
