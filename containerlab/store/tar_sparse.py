"""The four ways in which GNU tar writes down where the data of a sparse file belongs.

Source: GNU tar manual, "Storing Sparse Files" and "Old GNU Format".
"""

from __future__ import annotations

from collections.abc import Callable

from containerlab.errors import CorruptContent

__all__ = ["Piece", "check", "old_map", "pax_map", "read_map_in_data"]

Piece = tuple[int, int]
"""Offset in the file and length of the data that belongs there."""

_BLOCK = 512
_MOST_PIECES = 1 << 20
_MOST_DIGITS = 20
_MOST_BYTES = (1 << 63) - 1


def check(pieces: tuple[Piece, ...], size: int, stored: int) -> None:
    """Refuse a map that runs backwards, beyond the file, or uses other data than there is.

    Raises: CorruptContent.
    """
    end = 0
    for offset, length in pieces:
        if offset < end or length < 0:
            raise CorruptContent("the archive has a sparse file whose pieces overlap")
        end = offset + length
    if not end <= size <= _MOST_BYTES or sum(length for _, length in pieces) != stored:
        raise CorruptContent("the archive has a sparse file whose map does not fit its data")


def old_map(block: bytes, next_block: Callable[[], bytes]) -> tuple[tuple[Piece, ...], int]:
    """Read the map of a header of type S and of the blocks after it; return it and the file's size."""
    pieces = _old_pieces(block, 386, 4)
    size = _octal(block[483:495])
    more = block[482]
    while more:
        if len(pieces) > _MOST_PIECES:
            raise CorruptContent("the archive has a sparse file of too many pieces")
        block = next_block()
        pieces += _old_pieces(block, 0, 21)
        more = block[504]
    return tuple(pieces), size


def _old_pieces(block: bytes, start: int, count: int) -> list[Piece]:
    pieces = []
    for at in range(start, start + 24 * count, 24):
        if block[at] == 0:
            break
        pieces.append((_octal(block[at : at + 12]), _octal(block[at + 12 : at + 24])))
    return pieces


def _octal(field: bytes) -> int:
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    try:
        value = int(field.split(b"\0", 1)[0].strip() or b"0", 8)
    except ValueError:
        value = -1
    if value < 0:
        raise CorruptContent(f"the archive has a sparse file with the number {field!r}")
    return value


def pax_map(records: dict[str, bytes]) -> tuple[Piece, ...] | None:
    """Return the map of formats 0.0 and 0.1, which stands in the headers; None for format 1.0."""
    if "GNU.sparse.map" not in records:
        return None
    text = records["GNU.sparse.map"]
    return _pairs([_decimal(number) for number in text.split(b",")] if text else [])


def read_map_in_data(next_block: Callable[[], bytes], stored: int) -> tuple[tuple[Piece, ...], int]:
    """Read the map of format 1.0, decimal lines before the data; return it and the bytes it took."""
    used = 0
    rest = b""
    numbers: list[int] = []
    wanted = 1
    while len(numbers) < wanted:
        used += _BLOCK
        if used > stored:
            raise CorruptContent("the archive has a sparse file whose map has no end")
        *lines, rest = (rest + next_block()).split(b"\n")
        numbers += [_decimal(line) for line in lines[: wanted - len(numbers)]]
        if wanted == 1 and numbers:
            wanted = 1 + 2 * numbers[0]
            numbers += [_decimal(line) for line in lines[1:wanted]]
        if wanted > 2 * _MOST_PIECES or len(rest) > _BLOCK:
            raise CorruptContent("the archive has a sparse file of too many pieces")
    return _pairs(numbers[1:]), used


def _pairs(numbers: list[int]) -> tuple[Piece, ...]:
    if len(numbers) % 2:
        raise CorruptContent("the archive has a sparse file with half a piece")
    return tuple(zip(numbers[::2], numbers[1::2], strict=True))


def _decimal(text: bytes) -> int:
    if not text.isdigit() or len(text) > _MOST_DIGITS:
        raise CorruptContent(f"the archive has a sparse file with the number {text[:40]!r}")
    return int(text)
