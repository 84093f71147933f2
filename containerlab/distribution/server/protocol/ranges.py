"""Which part of a blob a request wants, and whether it has it already.

Source: RFC 9110, sections 13 and 14.
"""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = ["Range", "Unsatisfiable", "digests", "etag", "is_match", "wanted"]

_RANGE = re.compile(r"bytes=[ \t]*(?:([0-9]{1,40})-([0-9]{0,40})|-([0-9]{1,40}))[ \t]*", re.IGNORECASE)


class Range(NamedTuple):
    """Bytes from `first` up to, not including, `end`."""

    first: int
    end: int


class Unsatisfiable(Exception):
    """The range has no byte of what there is."""


def wanted(header: str, size: int) -> Range | None:
    """Read a Range header; None means everything: no range, one that means nothing, or several at once.

    >>> wanted("bytes=0-99", 10), wanted("bytes=-3", 10), wanted("bytes=a-b", 10)
    (Range(first=0, end=10), Range(first=7, end=10), None)

    Raises: Unsatisfiable, also for a range that ends before it begins: RFC 9110 14.2 leaves it open, the
        specification's own conformance tests want it.
    """
    match = _RANGE.fullmatch(header)
    if match is None:
        return None
    first, last, suffix = match.groups()
    if suffix is not None:
        found = Range(max(0, size - int(suffix)), size)
    else:
        found = Range(int(first), min(size, int(last) + 1) if last else size)
    if found.first >= size or found.first >= found.end:
        raise Unsatisfiable
    return found


def etag(digest: str) -> str:
    """Return the validator of content that never changes."""
    return f'"{digest}"'


def digests(header: str) -> list[str]:
    """Return the digests that an If-Match or If-None-Match header names, `*` among them.

    >>> digests('"x", W/"sha256:1"')
    ['x', 'sha256:1']
    """
    return [tag.strip().removeprefix("W/").strip('"') for tag in header.split(",")]


def is_match(header: str, digest: str) -> bool:
    """Tell whether an If-None-Match header names what there is.

    >>> is_match('"sha256:1"', "sha256:1"), is_match("*", "sha256:1"), is_match('"x"', "sha256:1")
    (True, True, False)
    """
    found = digests(header)
    return "*" in found or digest in found
