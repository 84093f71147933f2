r"""The patterns of `${name#pattern}`, `${name%pattern}` and `${name/pattern/replacement}`.

`*` is any text and `?` any character, but no newline; `\*`, `\?`, `\\` are themselves; there are no classes.
Matched without backtracking, so that no pattern takes long.
Source: BuildKit's frontend/dockerfile/shell, whose results (those of Go's regular expressions) are kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from containerlab.errors import InvalidInput

__all__ = ["Wildcard"]

_STAR = "*"
_Piece = tuple[bool, str]
"""(is it a wildcard, which character)"""


class Wildcard:
    r"""A pattern, ready to be used.

    >>> Wildcard("*.").without_prefix("a.b.c", is_longest=True)
    'c'
    """

    def __init__(self, pattern: str) -> None:
        pieces = _pieces(pattern)
        self._forward = _Segments(pieces)
        self._backward = _Segments(pieces[::-1])
        self._has_any = (True, "?") in pieces
        self._length = len(pieces)

    def cost(self, value: str) -> int:
        """Return how much work one use on `value` is, in characters looked at."""
        return (len(value) + 1) * (self._length if self._has_any else self._forward.count)

    def without_prefix(self, value: str, is_longest: bool) -> str:
        """Take the shortest or longest beginning that matches away."""
        end = self._forward.end(value, 0, is_longest)
        return value if end is None else value[end:]

    def without_suffix(self, value: str, is_longest: bool) -> str:
        """Take the shortest or longest end that matches away."""
        turned = value[::-1]
        end = self._backward.end(turned, 0, is_longest)
        return value if end is None else turned[end:][::-1]

    def replace_first(self, value: str, replacement: str) -> str:
        """Replace the first match, the longest there."""
        match = self._forward.search(value, 0)
        return value if match is None else value[: match[0]] + replacement + value[match[1] :]

    def replace_all(self, value: str, replacement: str, most: int) -> str:
        """Replace all matches; `$0` in the replacement is the match, as Go has it.

        Raises: InvalidInput when more than `most` characters come out.
        """
        result: list[str] = []
        length, last, position = len(value), 0, 0
        while position <= len(value):
            match = self._forward.search(value, position)
            if match is None:
                break
            begin, end = match
            result.append(value[last:begin])
            if end > last or begin == 0:
                result.append(_filled(replacement, value[begin:end]))
                length += len(result[-1])
            if length > most:
                raise InvalidInput("a replacement in a substitution makes too much of it")
            last = end
            position = max(position + 1, end)
        return "".join(result) + value[last:]


class _Segments:
    """A pattern parted at its stars."""

    def __init__(self, pieces: list[_Piece]) -> None:
        segments: list[list[_Piece]] = [[]]
        for piece in pieces:
            if piece == (True, _STAR):
                segments.append([])
            else:
                segments[-1].append(piece)
        # Neighbouring stars are one.
        middle = [segment for segment in segments[1:-1] if segment]
        kept = [segments[0], *middle, segments[-1]] if len(segments) > 1 else segments
        self._segments = [_Segment(segment) for segment in kept]
        self.count = len(kept)

    def search(self, value: str, position: int) -> tuple[int, int] | None:
        """Find the first match, the longest at its place."""
        while True:
            begin = self._segments[0].first(value, position, len(value))
            if begin is None:
                return None
            end = self.end(value, begin, is_longest=True)
            if end is not None:
                return begin, end
            # What a star cannot reach from here it cannot reach from later in this line either.
            position = value.find("\n", begin) + 1
            if not position:
                return None

    def end(self, value: str, begin: int, is_longest: bool) -> int | None:
        """Match at `begin`; return where the match ends."""
        first, *others = self._segments
        if first.first(value, begin, begin) is None:
            return None
        end = begin + first.length
        for number, segment in enumerate(others, 1):
            reach = value.find("\n", end)
            reach = len(value) if reach < 0 else reach
            is_last = number == len(others)
            find = segment.last if is_last and is_longest else segment.first
            found = find(value, end, reach)
            if found is None:
                return None
            end = found + segment.length
        return end


class _Segment:
    """Characters and question marks: something of fixed length."""

    def __init__(self, pieces: list[_Piece]) -> None:
        self.length = len(pieces)
        self._text = "".join(char for _, char in pieces)
        self._regex: re.Pattern[str] | None = None
        self._turned: re.Pattern[str] | None = None
        if any(is_wild for is_wild, _ in pieces):
            self._regex, self._turned = _compiled(pieces), _compiled(pieces[::-1])

    def first(self, value: str, begin: int, reach: int) -> int | None:
        """Find where it first begins, from `begin` to `reach`."""
        limit = min(reach + self.length, len(value))
        if self._regex is None:
            found = value.find(self._text, begin, limit)
            return found if found >= 0 else None
        match = self._regex.search(value, begin, limit)
        return match.start() if match else None

    def last(self, value: str, begin: int, reach: int) -> int | None:
        """Find where it last begins, from `begin` to `reach`."""
        limit = min(reach + self.length, len(value))
        if self._turned is None:
            found = value.rfind(self._text, begin, limit)
            return found if found >= 0 else None
        match = self._turned.search(value[begin:limit][::-1])
        return limit - match.end() if match else None


def _compiled(pieces: list[_Piece]) -> re.Pattern[str]:
    return re.compile("".join("[^\n]" if is_wild else re.escape(char) for is_wild, char in pieces))


def _pieces(pattern: str) -> list[_Piece]:
    pieces: list[_Piece] = []
    chars: Iterator[tuple[int, str]] = iter(enumerate(pattern))
    for position, char in chars:
        if char in "*?":
            pieces.append((True, char))
        elif char != "\\":
            pieces.append((False, char))
        elif pattern[position + 1 : position + 2] not in ("}", "/"):
            _, escaped = next(chars, (0, ""))
            if not escaped or escaped not in "*?\\":
                raise InvalidInput(
                    f"invalid pattern ({pattern[:80]}) in substitution: invalid escape '\\{escaped}'"
                )
            pieces.append((False, escaped))
    return pieces


_TEMPLATE = re.compile(r"\$(?:\$|(\w+)|\{(\w+)\})")


def _filled(template: str, match: str) -> str:
    def group(found: re.Match[str]) -> str:
        name = found[1] or found[2]
        return "$" if name is None else match if name == "0" else ""

    return _TEMPLATE.sub(group, template)
