"""Yes and no as programs in Go read them: in mounts, in checks, in URLs of repositories.

Source: Go, strconv.ParseBool.
"""

from __future__ import annotations

__all__ = ["truth"]

_TRUE = ("1", "t", "T", "TRUE", "true", "True")
_FALSE = ("0", "f", "F", "FALSE", "false", "False")


def truth(text: str) -> bool | None:
    """Return what a word says; None if it is neither yes nor no.

    >>> truth("t"), truth("False"), truth("on")
    (True, False, None)
    """
    return text in _TRUE if text in _TRUE + _FALSE else None
