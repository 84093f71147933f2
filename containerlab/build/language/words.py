"""An instruction's line parted into keyword, flags and words; nothing is expanded or understood yet."""

from __future__ import annotations

import json
import re
from typing import NamedTuple, NoReturn

from containerlab.errors import InvalidInput

__all__ = ["SPACES", "Statement", "json_strings", "part", "quoted_words", "spaced_words", "two_parts"]

SPACES = (
    " \t\n\v\f\r\x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
"""What Unicode calls white space: what is taken from the ends of lines, and mostly what separates words."""

_BETWEEN = re.compile(r"[\t\v\f\r ]+")


class Statement(NamedTuple):
    """An instruction before it is understood; `flags` are whole words, quotes resolved: --from=build."""

    keyword: str
    flags: tuple[str, ...]
    rest: str


def part(line: str, escape: str) -> Statement:
    """Part a line into keyword, flags and the rest.

    >>> part("COPY --from=a --link b c", "\\\\")
    Statement(keyword='COPY', flags=('--from=a', '--link'), rest='b c')
    """
    keyword, *others = _BETWEEN.split(line.strip(SPACES), maxsplit=1)
    if not others:
        return Statement(keyword, (), "")
    flags, rest = _flags(others[0], escape)
    return Statement(keyword, tuple(flags), rest.strip(SPACES))


def _flags(text: str, escape: str) -> tuple[list[str], str]:
    """Take the words that begin with -- from the front; a bare -- ends them."""
    flags: list[str] = []
    position = 0
    while True:
        while position < len(text) and text[position] in SPACES:
            position += 1
        if not text.startswith("--", position):
            return flags, text[position:]
        word, position = _flag(text, position, escape)
        if word == "--":
            return flags, text[position:]
        flags.append(word)


def _flag(text: str, position: int, escape: str) -> tuple[str, int]:
    word: list[str] = []
    quote = ""
    while position < len(text):
        char = text[position]
        position += 1
        if char == quote:
            quote = ""
        elif not quote and char in SPACES:
            return "".join(word), position
        elif not quote and char in "'\"":
            quote = char
        elif char == escape:
            word.append(text[position : position + 1])
            position += 1
        else:
            word.append(char)
    return "".join(word), position


def quoted_words(text: str, escape: str) -> list[str]:
    """Part at spaces that are neither quoted nor escaped; quotes and escapes stay for the expansion."""
    words: list[str] = []
    word: list[str] = []
    quote = ""
    position = 0
    while position < len(text):
        char = text[position]
        position += 1
        if not quote and char in SPACES:
            words += ["".join(word)] if word else []
            word = []
            continue
        if char == quote:
            quote = ""
        elif not quote and char in "'\"":
            quote = char
        elif char == escape and quote != "'":
            if position == len(text):
                break
            word.append(char)
            char = text[position]
            position += 1
        word.append(char)
    return [*words, "".join(word)] if word else words


def spaced_words(text: str) -> list[str]:
    """Part at white space, whatever is quoted."""
    return _BETWEEN.split(text) if text else []


def two_parts(text: str) -> list[str]:
    """Part at the first white space: one or two parts."""
    return _BETWEEN.split(text, maxsplit=1)


def json_strings(text: str) -> list[str] | None:
    """Read a JSON array of strings; None for what is no JSON array.

    Raises: InvalidInput for an array of something else.
    """
    if not text.startswith("["):
        return None
    try:
        values = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None
    if not all(isinstance(value, str) for value in values):
        raise InvalidInput(
            "a JSON array must hold strings only", 'write every element in double quotes: ["a", "1"]'
        )
    return [value.encode("utf-16", "surrogatepass").decode("utf-16", "replace") for value in values]


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)  # NaN and Infinity, which only Python takes for JSON
