"""JSON that somebody else wrote, read into a value or refused in a sentence."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from containerlab import errors

__all__ = ["UNREADABLE", "decode"]

_T = TypeVar("_T")

UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for bytes that are no JSON, JSON of another shape, or nested for ever."""


def decode(raw: bytes, kind: type[_T], what: str) -> _T:
    """Read a document.

    what: names it at the beginning of the error.

    >>> decode(b"[1]", list[int], "the list")
    [1]

    Raises: CorruptContent.
    """
    try:
        return msgspec.json.decode(raw, type=kind)
    except UNREADABLE as error:
        raise errors.CorruptContent(f"{what} is not valid: {error}") from error
