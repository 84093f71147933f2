"""Wildcards of COPY and ADD: those of Go's filepath.Match.

`*` stands for any characters but `/`, `?` for one, `[a-z]` and `[^a-z]` for one of a class, `\\` takes its
meaning from the next character. Only the standard library: see `store/trees.py`.
Source: Go, path/filepath.Match.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from containerlab.errors import InvalidInput

__all__ = ["ANY", "FOLDERS", "compile", "has_wildcards", "joined", "may_match_below", "plain"]

_WILD = frozenset("*?[")
ANY = "[^/]*"
"""What `*` is as a regular expression."""
FOLDERS = "(?:.*/)?"
"""What `**/` is: any number of folders, also none."""


def has_wildcards(text: str) -> bool:
    """Tell whether a path has a wildcard that is not escaped.

    >>> has_wildcards("a*"), has_wildcards("a\\\\*")
    (True, False)
    """
    at = 0
    while at < len(text):
        if text[at] in _WILD:
            return True
        at += 2 if text[at] == "\\" else 1
    return False


def plain(text: str) -> str:
    """Take the escapes from a path that has no wildcards."""
    return re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL)


def compile(pattern: str) -> re.Pattern[str]:
    """Return what matches (`fullmatch`) the names that a pattern stands for.

    Raises: InvalidInput for a pattern that Go calls malformed.
    """
    pieces, at = [], 0
    while at < len(pattern):
        char = pattern[at]
        at += 1
        if char == "*":
            pieces.append(ANY)
        elif char == "?":
            pieces.append("[^/]")
        elif char == "[":
            piece, at = _class(pattern, at)
            pieces.append(piece)
        elif char == "\\":
            if at == len(pattern):
                raise _malformed(pattern)
            pieces.append(re.escape(pattern[at]))
            at += 1
        else:
            pieces.append(re.escape(char))
    return re.compile(joined(pieces))


def joined(pieces: Sequence[str]) -> str:
    """Join the pieces of an expression so that a match takes no more than quadratic time.

    What stands between two wildcards of a kind is taken where it comes first, and that is not tried again:
    the second of them covers whatever a later place would leave. Not so with classes that may be a slash.
    """
    done: list[str] = []
    at = 0
    while at < len(pieces):
        end = _next(pieces, at) if pieces[at] in (ANY, FOLDERS) else 0
        if end:
            lazy = "[^/]*?" if pieces[at] == ANY else "(?:.*?/)??"
            done += ["(?>", lazy, joined(pieces[at + 1 : end]), ")"]
            at = end
        else:
            done.append(pieces[at])
            at += 1
    return "".join(done)


def _next(pieces: Sequence[str], at: int) -> int:
    """Return where the next wildcard of the same kind is that can take over, 0 if there is none."""
    for index in range(at + 1, len(pieces)):
        piece = pieces[index]
        if piece.startswith("[^") and piece not in (ANY, "[^/]"):
            return 0
        if pieces[at] == ANY:
            if piece == ANY:
                return index
            if "/" in piece.replace("[^/]", "").replace("(?!/)", ""):
                return 0
        elif piece == FOLDERS:
            return index if pieces[index - 1] == "/" else 0
    return 0


def _class(pattern: str, at: int) -> tuple[str, int]:
    """Read a class from behind its `[`; return it as a regular expression, and where it ends."""
    negated = pattern.startswith("^", at)
    at += negated
    ranges: list[str] = []
    while not (ranges and pattern.startswith("]", at)):
        low, at = _member(pattern, at)
        high = low
        if pattern.startswith("-", at):
            high, at = _member(pattern, at + 1)
        if low <= high:
            ranges.append(f"{re.escape(low)}-{re.escape(high)}")
        else:
            ranges.append("")  # a range that holds nothing
    members = "".join(ranges)
    if not members:
        return ("[^/]" if negated else "(?!)"), at + 1
    return f"(?!/)[{'^' * negated}{members}]", at + 1


def _member(pattern: str, at: int) -> tuple[str, int]:
    """Read one character of a class, which may be escaped, and after which the pattern must go on."""
    escaped = pattern.startswith("\\", at)
    at += escaped
    if at + 1 >= len(pattern) or (not escaped and pattern[at] in "-]"):
        raise _malformed(pattern)
    return pattern[at], at + 1


def _malformed(pattern: str) -> InvalidInput:
    return InvalidInput(
        f"the pattern {pattern!r} is malformed",
        "close each `[`, and write `\\` before a character it is to escape",
    )


def may_match_below(pattern: str, directory: str) -> bool:
    """Tell whether a pattern, in which `**` stands for any folders, could match something below a directory.

    May say yes where nothing can: it is asked to save walks.
    """
    parts = pattern.split("/")
    names = directory.split("/")
    for part, name in zip(parts, names, strict=False):
        if "**" in part or "[" in part or "\\" in part:
            return True
        if not compile(part).fullmatch(name):
            return False
    return len(parts) > len(names)
