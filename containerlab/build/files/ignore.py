"""Which paths a .dockerignore, or --exclude, leaves out.

A pattern is one of Go's filepath.Match in which `**` stands for any number of folders; it counts for all
below what it matches; `!` takes back; the last one that matches wins.
Only the standard library: see `store/trees.py`.
Source: moby/patternmatcher, `MatchesUsingParentResults`, which BuildKit asks from folder to folder, and its
`ignorefile`; Dockerfile reference, ".dockerignore file".
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from typing import NamedTuple

from containerlab.build.files import glob
from containerlab.errors import InvalidInput

__all__ = ["NONE", "Matcher", "Verdict", "read"]


def read(text: str) -> tuple[str, ...]:
    """Return the patterns of a .dockerignore, cleaned, in their order.

    >>> read("# notes\\n/build/ \\n\\n!build/keep")
    ('build', '!build/keep')
    """
    lines = text.removeprefix("\ufeff").split("\n")
    return tuple(filter(None, (_cleaned(line) for line in lines if not line.startswith("#"))))


def _cleaned(line: str) -> str:
    pattern = line.strip()
    sign = "!" if pattern.startswith("!") else ""
    pattern = pattern.removeprefix("!").strip()
    if not pattern:
        return sign
    pattern = posixpath.normpath(pattern)
    return sign + (pattern.lstrip("/") or "/")


class Verdict(NamedTuple):
    """Whether a path is left out, and which patterns say something about it (bit by bit, as far as asked)."""

    is_ignored: bool
    matched: int


NONE = Verdict(False, 0)
"""What holds above all paths."""


class Matcher:
    """Decides about paths, from a folder to what is in it."""

    def __init__(self, patterns: Sequence[str]) -> None:
        """Take patterns as `read` returns them, or as --exclude has them.

        Raises: InvalidInput for a malformed one.
        """
        self._patterns = [_Pattern.parse(pattern) for pattern in patterns if pattern.strip()]
        self._any = re.compile("|".join(f"(?:{each.expression})" for each in self._patterns) or "(?!)")

    def judge(self, path: str, parent: Verdict = NONE) -> Verdict:
        """Decide about a path (relative, without `.` and `..`), given what was said of its folder."""
        if not self._any.fullmatch(path):
            return parent
        ignored, matched = False, 0
        for index, pattern in enumerate(self._patterns):
            bit = 1 << index
            if not parent.matched & bit and (
                pattern.takes_back != ignored or not pattern.regex.fullmatch(path)
            ):
                continue
            ignored, matched = not pattern.takes_back, matched | bit
        return Verdict(ignored, matched)

    def judge_path(self, path: str) -> Verdict:
        """Decide about a path whose folders were not asked for yet."""
        verdict, at = NONE, 0
        while at >= 0:
            at = path.find("/", at + 1)
            verdict = self.judge(path if at < 0 else path[:at], verdict)
        return verdict

    def may_keep_below(self, directory: str, verdict: Verdict) -> bool:
        """Tell whether anything below a directory that is left out may be there all the same.

        Only a `!` that stands after the last pattern that matches the directory can bring something back.
        """
        later = self._patterns[verdict.matched.bit_length() :]
        return any(each.takes_back and glob.may_match_below(each.text, directory) for each in later)

    def may_match_below(self, directory: str) -> bool:
        """Tell whether a pattern may match something below a directory that none matches."""
        return any(glob.may_match_below(each.text, directory) for each in self._patterns)


class _Pattern(NamedTuple):
    text: str
    takes_back: bool
    expression: str
    regex: re.Pattern[str]

    @staticmethod
    def parse(written: str) -> _Pattern:
        text = posixpath.normpath(written.strip())
        takes_back = text.startswith("!")
        text = text.removeprefix("!")
        if not text:
            raise InvalidInput("the pattern '!' takes nothing back", "write what is to be there after it")
        glob.compile(text)  # raises for what is malformed
        expression = _expression(text)
        try:
            return _Pattern(text, takes_back, expression, re.compile(expression))
        except re.error as error:
            raise InvalidInput(f"the pattern {text!r} is malformed: {error}") from error


def _expression(text: str) -> str:
    """Translate a pattern; `**/` at its start and `/**` at its end also match without the slash's folders."""
    if text.startswith("**") and not re.search(r"[*?\[\\]", text[2:]):
        suffix = re.escape(text[2:])
        whole = f"|{re.escape(text[3:])}" if text[2:3] == "/" else ""
        return f"(?s:.*){suffix}{whole}"
    pieces, at = [], 0
    while at < len(text):
        piece, at = _piece(text, at)
        pieces.append(piece)
    return glob.joined(pieces)


def _piece(text: str, at: int) -> tuple[str, int]:
    char = text[at]
    if text.startswith("**", at):
        at += 3 if text.startswith("**/", at) else 2
        return ("(?s:.*)" if at >= len(text) else glob.FOLDERS), at
    if char == "*":
        return glob.ANY, at + 1
    if char == "?":
        return "[^/]", at + 1
    if char == "[":
        return _class(text, at + 1)
    if char == "\\":
        return re.escape(text[at + 1]), at + 2
    return re.escape(char), at + 1


def _class(text: str, at: int) -> tuple[str, int]:
    """Read a class from behind its `[`; unlike that of filepath.Match, a negated one matches a slash too."""
    end, pieces = at, []
    if text.startswith("^", end):
        pieces.append("^")
        end += 1
    while text[end] != "]" or end == at:
        if text[end] == "\\":
            end += 1
            pieces.append(re.escape(text[end]))
        else:
            pieces.append("-" if text[end] == "-" else re.escape(text[end]))
        end += 1
    return f"[{''.join(pieces)}]", end + 1
