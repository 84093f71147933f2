"""Errors that say where in a Dockerfile they are, and show the line, as a compiler does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from containerlab.build.language.instructions import Dockerfile, Instruction, Place
from containerlab.errors import InvalidInput, LabError

__all__ = ["DockerfileError", "at", "excerpt", "within"]

_LINES_AROUND = 2
_MOST_LINES = 10
_MOST_COLUMNS = 160


class DockerfileError(InvalidInput):
    """A Dockerfile cannot be read or carried out; `message` shows the lines in question too."""

    def __init__(self, message: str, hint: str = "", *, place: Place | None = None) -> None:
        super().__init__(message, hint)
        self.place = place

    def __str__(self) -> str:
        return f"{self.message}\n  hint: {self.hint}" if self.hint else self.message


def at(name: str, text: str, place: Place, message: str, hint: str = "") -> DockerfileError:
    """Make an error for what is wrong at `place` in the Dockerfile `name`, whose content is `text`.

    >>> print(at("Dockerfile", "FROM a\\nRUM b", Place(2, 2), "unknown instruction: RUM", "write RUN"))
    Dockerfile:2: unknown instruction: RUM
        1 | FROM a
      > 2 | RUM b
      hint: write RUN
    """
    shown = excerpt(text, place)
    headline = f"{name}:{place.first}: {message}"
    return DockerfileError(f"{headline}\n{shown}" if shown else headline, hint, place=place)


@contextmanager
def within(dockerfile: Dockerfile, instruction: Instruction) -> Iterator[None]:
    """Give the errors that are raised inside the place and the name of `instruction`.

    Raises: DockerfileError.
    """
    try:
        yield
    except DockerfileError:
        raise
    except LabError as error:
        keyword, message = instruction.keyword.upper(), error.message
        shown = message if message.startswith(keyword) else f"{keyword}: {message}"
        raise at(dockerfile.name, dockerfile.text, instruction.place, shown, error.hint) from error


def excerpt(text: str, place: Place) -> str:
    """Show the lines of `place`, marked, and two before and after them, with their numbers."""
    lines = text.removesuffix("\n").split("\n")
    last = min(place.last, place.first + _MOST_LINES - 1, len(lines))
    first_shown, last_shown = max(1, place.first - _LINES_AROUND), min(len(lines), last + _LINES_AROUND)
    width = len(str(last_shown))
    shown = []
    for number in range(first_shown, last_shown + 1):
        marker = ">" if place.first <= number <= last else " "
        shown.append(f"  {marker} {number:>{width}} | {_cut(lines[number - 1])}".rstrip())
    return "\n".join(shown)


def _cut(line: str) -> str:
    shown = "".join(char if char.isprintable() else " " for char in line[: _MOST_COLUMNS + 1].rstrip("\r"))
    return f"{shown[:_MOST_COLUMNS]}…" if len(shown) > _MOST_COLUMNS else shown
