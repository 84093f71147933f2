"""Patterns of tags and repositories: a glob, or a regular expression between slashes, in linear time.

Python's `re` tries alternatives one after the other: `(a+)+b` takes longer than the universe lasts, and a
rule of one user would hold up the pushes of all. Here all alternatives go forward together.

Source: Thompson, Regular expression search algorithm, CACM 11 (1968).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import NamedTuple

import msgspec

from containerlab import errors

__all__ = ["Pattern", "Selection", "compiled"]

_MOST_LENGTH = 200
_MOST_STATES = 1000
_MOST_KEPT = 64
"""Patterns that are remembered, with so many steps each, of sets so small: some MB, whatever users write."""
_MOST_STEPS_KEPT, _MOST_STATES_KEPT = 512, 16
_MOST_DEPTH = 20
_HINT = (
    "write a glob as v*, or a regular expression of . [] () | * + ? {m,n} \\d \\w between slashes: /v\\d+/"
)

_Test = Callable[[str], bool]


class _State(NamedTuple):
    """Where the pattern stands: it goes on for free, or with a sign that passes the test."""

    test: _Test | None
    next: list[int]


class Pattern:
    """A pattern that a whole tag has to match; see `compiled`."""

    def __init__(self, states: list[_State], first: int, last: int) -> None:
        self._states, self._last = states, last
        self._first = self._closed([first])
        self._steps: dict[tuple[frozenset[int], str], frozenset[int]] = {}

    def matches(self, text: str) -> bool:
        """Tell whether the whole text is what the pattern says."""
        here = self._first
        for sign in text:
            known = self._steps.get((here, sign))
            here = self._step(here, sign) if known is None else known
            if not here:
                return False
        return self._last in here

    def _step(self, here: frozenset[int], sign: str) -> frozenset[int]:
        reached = []
        for number in here:
            test = self._states[number].test
            if test and test(sign):
                reached += self._states[number].next
        found = self._closed(reached)
        if len(self._steps) < _MOST_STEPS_KEPT and len(found) <= _MOST_STATES_KEPT:
            self._steps[here, sign] = found
        return found

    def _closed(self, numbers: Iterable[int]) -> frozenset[int]:
        waiting, seen = list(numbers), set()
        while waiting:
            number = waiting.pop()
            if number not in seen:
                seen.add(number)
                if self._states[number].test is None:
                    waiting += self._states[number].next
        return frozenset(seen)


@lru_cache(_MOST_KEPT)
def compiled(text: str, *, of_repositories: bool = False) -> Pattern:
    """Read a pattern of tags, or of repositories, whose names have slashes: `*` passes over them, too.

    >>> compiled("v?.*").matches("v1.0"), compiled("/(a+)+b/").matches("a" * 128)
    (True, False)

    Raises: InvalidInput.
    """
    if not text or len(text) > _MOST_LENGTH:
        raise errors.InvalidInput(f"a pattern has 1 to {_MOST_LENGTH} characters, not {len(text)}", _HINT)
    is_regexp = len(text) > 2 and text.startswith("/") and text.endswith("/")
    reader = _Reader(text[1:-1] if is_regexp else text, has_slashes=of_repositories)
    first, last = reader.alternatives(0) if is_regexp else reader.glob()
    if not reader.is_at_end:
        raise reader.wrong("a closing bracket without an opening one")
    return Pattern(reader.states, first, last)


class _Fragment(NamedTuple):
    first: int
    last: int


class _Reader:
    """Makes states out of a pattern's text, by recursive descent."""

    def __init__(self, text: str, *, has_slashes: bool) -> None:
        self._text, self._at, self._has_slashes = text, 0, has_slashes
        self.states: list[_State] = []

    @property
    def is_at_end(self) -> bool:
        return self._at >= len(self._text)

    def wrong(self, what: str) -> errors.InvalidInput:
        return errors.InvalidInput(f"pattern {self._text!r}: {what}", _HINT)

    def glob(self) -> _Fragment:
        parts = []
        while not self.is_at_end:
            match sign := self._take():
                case "*":
                    parts.append(self._repeated(self._one(_any), 0, None))
                case "?":
                    parts.append(self._one(_any))
                case "[":
                    parts.append(self._one(self._set("!^")))
                case "/" if not self._has_slashes:
                    raise self.wrong("a tag has no slash")
                case _:
                    parts.append(self._one(sign.__eq__))
        return self._sequence(parts)

    def alternatives(self, depth: int) -> _Fragment:
        if depth > _MOST_DEPTH:
            raise self.wrong("too many brackets within brackets")
        found = [self._branch(depth)]
        while self._take_if("|"):
            found.append(self._branch(depth))
        first = self._state(None, [each.first for each in found])
        last = self._state(None, [])
        for each in found:
            self.states[each.last].next.append(last)
        return _Fragment(first, last)

    def _branch(self, depth: int) -> _Fragment:
        parts = []
        while not self.is_at_end and self._text[self._at] not in "|)":
            begin = self._at
            atom = self._atom(depth)
            end = self._at
            least, most = self._times()
            if (least, most) != (1, 1):
                # What is repeated is read once more for each time: a fragment can stand in one place only.
                atom = self._copies(atom, (begin, end), least, most, depth)
            parts.append(atom)
        return self._sequence(parts)

    def _atom(self, depth: int) -> _Fragment:
        match sign := self._take():
            case "(":
                if self._take_if("?") and not self._take_if(":"):
                    raise self.wrong("(?…) is not known here")
                inside = self.alternatives(depth + 1)
                if not self._take_if(")"):
                    raise self.wrong("a bracket is not closed")
                return inside
            case ".":
                return self._one(_any)
            case "[":
                return self._one(self._set("^"))
            case "^" | "$":  # the whole tag has to match anyway
                return self._sequence([])
            case "\\":
                return self._one(self._escaped())
            case "*" | "+" | "?" | "{":
                raise self.wrong(f"nothing before {sign} to repeat")
            case _:
                return self._one(sign.__eq__)

    def _times(self) -> tuple[int, int | None]:
        for sign, times in {"*": (0, None), "+": (1, None), "?": (0, 1)}.items():
            if self._take_if(sign):
                return times
        if not self._take_if("{"):
            return 1, 1
        inside, brace, _ = self._text[self._at :].partition("}")
        low, comma, high = inside.partition(",")
        if not brace or not low.isdecimal() or not (high.isdecimal() or not high):
            raise self.wrong("{ does not go on as {2}, {2,} or {2,5}")
        self._at += len(inside) + 1
        least, most = int(low[:9]), int(high[:9]) if high else None if comma else int(low[:9])
        if most is not None and most < least:
            raise self.wrong(f"{{{inside}}} has more at least than at most")
        return least, most

    def _copies(
        self, atom: _Fragment, text: tuple[int, int], least: int, most: int | None, depth: int
    ) -> _Fragment:
        after = self._at
        parts, copy = [], atom
        count = max(least + 1 if most is None else most, 1)
        for number in range(count):
            if number:
                self._at = text[0]
                copy = self._atom(depth)
            is_last = number == count - 1
            low = 1 if number < least else 0
            parts.append(self._repeated(copy, low, None if most is None and is_last else 1))
        self._at = after
        return self._sequence([] if most == 0 else parts)

    def _set(self, negations: str) -> _Test:
        is_negated = not self.is_at_end and self._text[self._at] in negations and bool(self._take())
        tests: list[_Test] = []
        while not tests or self._text[self._at : self._at + 1] != "]":
            if self.is_at_end:
                raise self.wrong("[ is not closed")
            sign = self._take()
            if sign == "\\":
                tests.append(self._escaped())
            elif self._text[self._at : self._at + 1] == "-" and self._text[
                self._at + 1 : self._at + 2
            ] not in (
                "",
                "]",
            ):
                self._take()
                tests.append(_within(sign, self._take()))
            else:
                tests.append(sign.__eq__)
        self._take()
        return lambda sign: any(test(sign) for test in tests) != is_negated

    def _escaped(self) -> _Test:
        if self.is_at_end:
            raise self.wrong("\\ at the end")
        sign = self._take()
        if sign in _CLASSES:
            return _CLASSES[sign]
        if sign.isalnum():
            raise self.wrong(f"\\{sign} is not known here")
        return sign.__eq__

    def _take(self) -> str:
        self._at += 1
        return self._text[self._at - 1]

    def _take_if(self, sign: str) -> bool:
        is_there = self._text[self._at : self._at + 1] == sign
        self._at += is_there
        return is_there

    def _state(self, test: _Test | None, following: list[int]) -> int:
        if len(self.states) >= _MOST_STATES:
            raise self.wrong("it is too large")
        self.states.append(_State(test, following))
        return len(self.states) - 1

    def _one(self, test: _Test) -> _Fragment:
        last = self._state(None, [])
        return _Fragment(self._state(test, [last]), last)

    def _sequence(self, parts: list[_Fragment]) -> _Fragment:
        if not parts:
            nothing = self._state(None, [])
            return _Fragment(nothing, nothing)
        for before, after in itertools.pairwise(parts):
            self.states[before.last].next.append(after.first)
        return _Fragment(parts[0].first, parts[-1].last)

    def _repeated(self, part: _Fragment, least: int, most: int | None) -> _Fragment:
        """Let a part be left out (`least` 0) or come again (`most` None)."""
        last = self._state(None, [])
        first = self._state(None, [part.first] if least else [part.first, last])
        self.states[part.last].next.extend([last] if most else [last, part.first])
        return _Fragment(first, last)


def _any(sign: str) -> bool:
    return True


def _within(first: str, last: str) -> _Test:
    return lambda sign: first <= sign <= last


_CLASSES: dict[str, _Test] = {
    "d": lambda sign: sign in "0123456789",
    "D": lambda sign: sign not in "0123456789",
    "w": lambda sign: sign == "_" or sign.isalnum(),
    "W": lambda sign: not (sign == "_" or sign.isalnum()),
    "s": str.isspace,
    "S": lambda sign: not sign.isspace(),
}


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """Tags that one of some patterns fits and none of others: what every rule about tags begins with."""

    tags: tuple[str, ...] = ("*",)
    exceptions: tuple[str, ...] = ()

    def has(self, tag: str) -> bool:
        """Tell whether a tag is one of them.

        >>> Selection(tags=("v*", "/[0-9]+/"), exceptions=("v0",)).has("2024")
        True
        """
        return _fits(self.tags, tag) and not _fits(self.exceptions, tag)

    def check(self) -> None:
        """Raise InvalidInput unless all are patterns of tags."""
        for pattern in (*self.tags, *self.exceptions):
            compiled(pattern)


def _fits(patterns: Iterable[str], tag: str) -> bool:
    return any(compiled(pattern).matches(tag) for pattern in patterns)
