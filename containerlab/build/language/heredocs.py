"""Documents in a Dockerfile: `<<NAME` in a RUN, COPY or ADD, and the lines up to NAME."""

from __future__ import annotations

import re
from typing import NamedTuple

from containerlab.build.language.expand import raw_words
from containerlab.build.language.instructions import Command, Heredoc
from containerlab.build.language.words import Statement, json_strings, part
from containerlab.errors import InvalidInput

__all__ = ["Mark", "announced", "document", "mark", "script", "shell_text", "takes_heredocs"]

_MARK = re.compile(r"(\d*)<<(-?)[\t\n\f\r ]*([^<]*)", re.ASCII)
_LEADING_TABS = re.compile(r"^\t+", re.MULTILINE)
_LARGEST_DESCRIPTOR = 2**64 - 1


class Mark(NamedTuple):
    """`<<NAME`: what announces a document."""

    name: str
    expands: bool
    strips_tabs: bool
    descriptor: int


def takes_heredocs(statement: Statement, escape: str) -> bool:
    """Whether `<<` announces documents: in RUN, COPY and ADD, behind ONBUILD too, but not in JSON form.

    Raises: InvalidInput for a JSON array that holds other things than strings.
    """
    if statement.keyword.lower() == "onbuild":
        statement = part(statement.rest, escape)
    if statement.keyword.lower() not in ("run", "copy", "add"):
        return False
    return json_strings(statement.rest) is None


def announced(line: str) -> list[Mark]:
    """Return the documents that a line announces, in their order; none if a quote in it stays open.

    Raises: InvalidInput for a name with an open quote.
    """
    if "<<" not in line:
        return []
    try:
        words = raw_words(line, keeps_quotes=True, keeps_escapes=True)
    except InvalidInput:
        return []
    return [found for word in words if (found := _mark(word))]


def mark(word: str) -> Mark | None:
    """Return what a word announces, None if nothing."""
    try:
        return _mark(word)
    except InvalidInput:
        return None


def _mark(word: str) -> Mark | None:
    match = _MARK.fullmatch(word)
    if not match:
        return None
    digits, dash, rest = match.groups()
    # An empty name has no words, and so announces nothing.
    names = raw_words(rest, keeps_quotes=False, keeps_escapes=False)
    if len(names) != 1:
        return None
    (quoted,) = raw_words(rest, keeps_quotes=True, keeps_escapes=False) or [""]
    is_quoted = _count_quotes(quoted) != _count_quotes(names[0])
    descriptor = int(digits or 0) if len(digits) < 20 else _LARGEST_DESCRIPTOR
    return Mark(names[0], not is_quoted, bool(dash), descriptor)


def _count_quotes(text: str) -> int:
    return text.count("'") + text.count('"')


def document(announcement: Mark, source: str) -> Heredoc:
    """Make the document from its lines as they stand in the file."""
    return Heredoc(
        name=announcement.name,
        content=_LEADING_TABS.sub("", source) if announcement.strips_tabs else source,
        expands=announcement.expands,
        descriptor=announcement.descriptor,
        source=source,
    )


def shell_text(command: Command) -> str:
    """Return what a shell is given to execute of a command in shell form.

    A command that is nothing but a document is that document; otherwise the shell reads the documents itself.
    """
    (text,) = command.words
    if command.heredocs and mark(text):
        return command.heredocs[0].content
    return "".join([text, *(f"\n{found.source}{found.name}" for found in command.heredocs)])


def script(command: Command) -> Heredoc | None:
    """Return the document that is to be executed as a file: all of the command, and it begins with #!."""
    if not command.is_shell or not command.heredocs or not mark(command.words[0]):
        return None
    return command.heredocs[0] if command.heredocs[0].source.startswith("#!") else None
