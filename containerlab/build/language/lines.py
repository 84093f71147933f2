"""The lines of a Dockerfile put together: one for each instruction, with its comments and documents.

Source: Dockerfile reference, "Format" and "Here-Documents"; BuildKit's frontend/dockerfile/parser.
"""

from __future__ import annotations

from typing import NamedTuple

from containerlab.build.language import directives
from containerlab.build.language.heredocs import Mark, announced, document, takes_heredocs
from containerlab.build.language.instructions import Heredoc, Place
from containerlab.build.language.words import SPACES, Statement, part
from containerlab.errors import InvalidInput

__all__ = ["LONGEST_BYTES", "Line", "Misplaced", "read"]

LONGEST_BYTES = 65_535


class Line(NamedTuple):
    """One instruction: `text` has its continued lines joined, `comments` stand directly before it."""

    place: Place
    text: str
    statement: Statement
    heredocs: tuple[Heredoc, ...] = ()
    comments: tuple[str, ...] = ()
    gap: int = 0
    """The last line of an instruction that is continued over an empty line; 0 for all others."""


class Misplaced(Exception):
    """Something is wrong at a place."""

    def __init__(self, place: Place, cause: InvalidInput, keyword: str = "") -> None:
        super().__init__(str(cause))
        self.place = place
        self.cause = cause
        self.keyword = keyword


def read(text: str, escape: str) -> list[Line]:
    """Read all instructions.

    Raises: Misplaced for a line that is too long, a document without end, bad bytes.
    """
    return _Reader(text, escape).lines()


class _Reader:
    def __init__(self, text: str, escape: str) -> None:
        self._raw = text.removeprefix("\ufeff").split("\n")
        if not self._raw[-1]:
            self._raw.pop()
        self._ends_open = not text.endswith("\n")
        self._escape = escape
        self._next = 0

    def lines(self) -> list[Line]:
        found: list[Line] = []
        comments: list[str] = []
        is_top = True
        while self._next < len(self._raw):
            line = self._take().lstrip(SPACES)
            is_top = is_top and directives.value_of(line) is not None
            if is_top:
                continue
            if line.startswith("#"):
                comment = line[1:].strip(SPACES)
                comments.append(comment) if comment else comments.clear()
            elif line:
                found.append(self._instruction(line, tuple(comments)))
                comments = []
        return found

    def _take(self) -> str:
        line = self._raw[self._next]
        self._next += 1
        if len(line) > LONGEST_BYTES // 4 and len(line.encode("utf-8", "surrogatepass")) > LONGEST_BYTES:
            place = Place(self._next, self._next)
            raise Misplaced(place, InvalidInput(f"the line is longer than {LONGEST_BYTES:,} bytes"))
        return line.rstrip("\r")

    def _instruction(self, line: str, comments: tuple[str, ...]) -> Line:
        first = self._next
        text, is_continued = self._without_continuation(line)
        parts, has_gap = [text], False
        while is_continued and self._next < len(self._raw):
            line = self._take()
            bare = line.lstrip(SPACES)
            has_gap = has_gap or not bare
            if bare and not bare.startswith("#"):
                text, is_continued = self._without_continuation(line)
                parts.append(text)
        text = "".join(parts)
        place = Place(first, self._next)
        statement = part(text, self._escape)
        try:
            _check_characters(text, "\0")
            marks = announced(text) if takes_heredocs(statement, self._escape) else []
            heredocs = tuple(self._document(mark) for mark in marks)
        except InvalidInput as error:
            raise Misplaced(place, error, statement.keyword) from error
        gap = place.last if has_gap else 0
        return Line(Place(first, self._next), text, statement, heredocs, comments, gap)

    def _without_continuation(self, line: str) -> tuple[str, bool]:
        """An escape at the end continues the line, but not after another escape."""
        bare = line.rstrip(" \t")
        if bare.endswith(self._escape) and bare[-2:-1] != self._escape:
            return bare[:-1], True
        return line, False

    def _document(self, mark: Mark) -> Heredoc:
        lines: list[str] = []
        while self._next < len(self._raw):
            raw = self._raw[self._next]
            line = self._take()
            if (line.lstrip("\t") if mark.strips_tabs else line) == mark.name:
                content = "".join(lines)
                _check_characters(content)
                return document(mark, content)
            is_open = self._ends_open and self._next == len(self._raw)
            lines.append(raw if is_open else f"{raw}\n")
        raise InvalidInput(f"unterminated heredoc: no line is {mark.name}", "it must stand alone in its line")


def _check_characters(text: str, forbidden: str = "") -> None:
    if forbidden and forbidden in text:
        raise InvalidInput("there is a NUL character in it")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidInput("it is not UTF-8", "save the file in UTF-8") from None
