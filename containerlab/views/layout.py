"""Columns of text within a width: prose is wrapped, what is too wide even so stands in blocks."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Sequence
from typing import NamedTuple

__all__ = ["SEAMS", "Field", "fitted", "terminal_width"]

_GAP = "  "
SEAMS = re.compile(r"(?<=[,/:_.])")
"""Where a word that is too long may be broken."""
_LEAST = 16
"""Narrowest that prose is made, unless it is narrower by itself."""


class Field(NamedTuple):
    """A column as it is laid out."""

    title: str
    kind: str = ""
    """right, prose (wrapped), below (wrapped, under the row), or group (above the rows that share it)."""


def terminal_width() -> int:
    """Return how wide lines may be: $COLUMNS, the terminal's width, or 80."""
    given = os.environ.get("COLUMNS", "")
    if given.isdecimal() and int(given) > 0:
        return int(given)
    for stream in (sys.__stdout__, sys.__stderr__):
        try:
            return os.get_terminal_size(stream.fileno()).columns or 80 if stream else 80
        except (OSError, ValueError):
            continue
    return 80


def fitted(fields: Sequence[Field], rows: Sequence[Sequence[str]], width: int) -> str:
    """Write rows below headings, wrapped to a width.

    >>> print(fitted([Field("CALL", "prose"), Field("WHY", "below")], [["fork()", "so"]], 40))
    CALL
    fork()
      so
    """
    beside = [number for number, field in enumerate(fields) if field.kind not in ("below", "group")]
    below = [number for number, field in enumerate(fields) if field.kind == "below"]
    groups = [number for number, field in enumerate(fields) if field.kind == "group"]
    natural = {
        number: max(len(cell) for cell in (fields[number].title, *(row[number] for row in rows)))
        for number in beside
    }
    texts = []
    for block in _blocks(fields, natural, width):
        widths = _widths(fields, {number: natural[number] for number in block}, width)
        lines = list(_heading(fields, widths))
        for before, row in zip((None, *rows), rows, strict=False):
            lines += [row[n] for n in groups if before is None or before[n] != row[n]]
            lines += _beside(fields, widths, row)
            lines += _below([row[number] for number in below], _indent(fields, widths), width)
        texts.append("\n".join(lines))
    return "\n\n".join(texts)


def _blocks(fields: Sequence[Field], natural: dict[int, int], width: int) -> list[list[int]]:
    """Part columns so that each part fits; the first column stands in all of them."""
    first, *others = natural
    blocks: list[list[int]] = [[first]]
    room = width - natural[first]
    for number in others:
        least = min(natural[number], _LEAST) if fields[number].kind == "prose" else natural[number]
        room -= len(_GAP) + least
        if room < 0 and len(blocks[-1]) > 1:
            blocks.append([first])
            room = width - natural[first] - len(_GAP) - least
        blocks[-1].append(number)
    return blocks


def _widths(fields: Sequence[Field], natural: dict[int, int], width: int) -> dict[int, int]:
    """Share out what the other columns leave among those of prose, the narrow ones first."""
    prose = sorted((n for n in natural if fields[n].kind == "prose"), key=lambda n: natural[n])
    room = width - sum(size for n, size in natural.items() if n not in prose) - len(_GAP) * (len(natural) - 1)
    widths = dict(natural)
    for left, number in zip(range(len(prose), 0, -1), prose, strict=True):
        widths[number] = min(natural[number], max(_LEAST, room // left))
        room -= widths[number]
    return widths


def _heading(fields: Sequence[Field], widths: dict[int, int]) -> Iterator[str]:
    yield from _beside(fields, widths, [field.title for field in fields])


def _beside(fields: Sequence[Field], widths: dict[int, int], row: Sequence[str]) -> Iterator[str]:
    cells = [_wrapped(row[n], size) if fields[n].kind == "prose" else [row[n]] for n, size in widths.items()]
    for number in range(max(map(len, cells))):
        line = []
        for lines, (n, size) in zip(cells, widths.items(), strict=True):
            text = lines[number] if number < len(lines) else ""
            line.append(text.rjust(size) if fields[n].kind == "right" else text.ljust(size))
        yield _GAP.join(line).rstrip()


def _indent(fields: Sequence[Field], widths: dict[int, int]) -> int:
    """Return where the last column begins, and two more."""
    return sum(size + len(_GAP) for size in list(widths.values())[:-1]) + 2


def _below(texts: Sequence[str], indent: int, width: int) -> Iterator[str]:
    for text in texts:
        for line in _wrapped(text, max(_LEAST, width - indent)) if text else ():
            yield " " * indent + line


def _wrapped(text: str, width: int) -> list[str]:
    """Break lines at spaces; words too long for a line after a comma, slash or colon, or anywhere."""
    lines = [""]
    for word in text.split():
        gap = " " if lines[-1] else ""
        if len(lines[-1]) + len(gap) + len(word) <= width:
            lines[-1] += gap + word
            continue
        pieces = SEAMS.split(word) if len(word) > width else [word]
        lines += [""] if lines[-1] else []
        for piece in pieces:
            if len(lines[-1]) + len(piece) > width and lines[-1]:
                lines.append("")
            lines[-1] += piece
            while len(lines[-1]) > width:
                lines[-1:] = [lines[-1][:width], lines[-1][width:]]
    return lines
