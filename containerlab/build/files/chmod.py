"""What --chmod asks for: an octal mode, or changes as chmod(1) takes them.

Only the standard library: see `store/trees.py`.
Source: chmod(1p), "EXTENDED DESCRIPTION"; BuildKit reads them with tonistiigi/dchapes-mode, umask 0.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from containerlab.errors import InvalidInput

__all__ = ["Changes", "parsed"]

_CLAUSE = re.compile(r"([ugoa]*)((?:[-+=][rwxXstugo]*)+)")
_ACTION = re.compile(r"([-+=])([rwxXstugo]*)")
_WHO = {"u": 0o4700, "g": 0o2070, "o": 0o0007, "a": 0o6777}
_PERMISSIONS = {"r": 0o444, "w": 0o222, "x": 0o111, "s": 0o6000, "t": 0o1000}
_EXECUTE = 0o111
_SHIFTS = {"u": 6, "g": 3, "o": 0}


class _Action(NamedTuple):
    who: str
    operator: str
    permissions: str


class Changes(NamedTuple):
    """What is done to a mode; `absolute` is an octal one."""

    absolute: int | None
    actions: tuple[_Action, ...] = ()

    def apply(self, mode: int, *, is_directory: bool) -> int:
        """Return the permission bits that a file of this mode gets.

        >>> oct(parsed("u=rwX,go=rX").apply(0o600, is_directory=False))
        '0o644'
        """
        if self.absolute is not None:
            return self.absolute
        new = mode & 0o7777
        gets_execute = is_directory or bool(mode & _EXECUTE)
        for action in self.actions:
            new = _applied(action, new, gets_execute=gets_execute)
        return new


def parsed(text: str) -> Changes:
    """Read a mode.

    Raises: InvalidInput.
    """
    if text[:1].isdigit():
        if not re.fullmatch("[0-7]+", text) or int(text, 8) > 0o7777:
            raise InvalidInput(
                f"--chmod={text} is no mode", "write an octal number up to 7777, or u+x, go=rX, …"
            )
        return Changes(int(text, 8))
    actions: list[_Action] = []
    for clause in text.split(","):
        match = _CLAUSE.fullmatch(clause)
        if match is None:
            raise InvalidInput(
                f"--chmod={text} is no mode: {clause!r} is not understood", "write 0644, u+x, go-w or a=rX"
            )
        actions += (_Action(match[1], *each.groups()) for each in _ACTION.finditer(match[2]))
    return Changes(None, tuple(actions))


def _applied(action: _Action, mode: int, *, gets_execute: bool) -> int:
    who = 0
    for letter in action.who or "a":
        who |= _WHO[letter]
    bits = 0
    for letter in action.permissions:
        if letter in _SHIFTS:
            copied = mode >> _SHIFTS[letter] & 7
            bits |= (copied << 6 | copied << 3 | copied) & who
        elif letter == "X":
            bits |= _EXECUTE & who if gets_execute and action.operator != "-" else 0
        elif letter == "t":
            bits |= 0o1000 if action.who != "o" else 0
        else:
            bits |= _PERMISSIONS[letter] & who
    if action.operator == "+":
        return mode | bits
    if action.operator == "-":
        return mode & ~bits
    return mode & ~who | bits
