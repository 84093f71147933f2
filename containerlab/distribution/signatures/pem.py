"""PEM: blocks of base64 between lines that say what they are. Source: RFC 7468."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from typing import NamedTuple

from containerlab import errors

__all__ = ["Block", "block_of", "write"]

_LINE = 64


class Block(NamedTuple):
    """One block: what it is, its bytes, and its text with both lines."""

    label: str
    content: bytes
    text: bytes


def block_of(data: bytes, what: str, labels: tuple[str, ...]) -> Block:
    """Return the first block with one of the labels; others, as of parameters, may stand before it.

    Raises: InvalidInput, which says what is there instead.
    """
    found = list(_blocks(data.decode("latin-1")))
    for label, lines in found:
        if label in labels:
            text = f"-----BEGIN {label}-----{lines}-----END {label}-----\n".encode("latin-1")
            return Block(label, _content(lines, what), text)
    there = f"holds {' and '.join(label for label, _ in found[:3])}" if found else "is not PEM"
    raise errors.InvalidInput(f"{what} {there}", f"it must hold {' or '.join(labels)}")


def _blocks(text: str) -> Iterator[tuple[str, str]]:
    """Yield label and lines of each block, in time that grows with the text alone."""
    parts = text.split("-----")
    for begin, lines, end in zip(parts, parts[1:], parts[2:], strict=False):
        kind, _, label = begin.partition(" ")
        if kind == "BEGIN" and end == f"END {label}" and label.isascii() and label.isprintable():
            yield label, lines


def _content(lines: str, what: str) -> bytes:
    """Return the bytes of a block; lines with a colon are headers, of keys under a password."""
    try:
        return base64.b64decode(
            "".join(line for line in lines.splitlines() if ":" not in line), validate=True
        )
    except (binascii.Error, ValueError) as error:
        raise errors.InvalidInput(f"{what} is damaged: its base64 is not valid") from error


def write(label: str, content: bytes) -> bytes:
    """Write one block.

    >>> write("X", b"abc")
    b'-----BEGIN X-----\\nYWJj\\n-----END X-----\\n'
    """
    text = base64.b64encode(content).decode()
    lines = [text[start : start + _LINE] for start in range(0, len(text), _LINE)]
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""]).encode()
