"""What of a file is sent to somebody who has an older one: sums of fixed blocks one way, blocks the other.

As rsync does, except that blocks stand where they stood: a disk's files do not move when one of them changes,
and without sums at every byte this takes seconds in Python instead of minutes.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

__all__ = ["SUM_BYTES", "apply", "changed_blocks", "packed", "sums"]

SUM_BYTES = 16
_READ_BYTES = 1 << 20
_PLACE = struct.Struct(">Q")


def sums(file: Path, block_bytes: int) -> bytes:
    """Return what tells the blocks of a file apart, one sum after the other."""
    return b"".join(_sum(block) for block in _blocks(file, block_bytes))


def _sum(block: bytes) -> bytes:
    return hashlib.blake2b(block, digest_size=SUM_BYTES).digest()


def _blocks(file: Path, block_bytes: int) -> Iterator[bytes]:
    with file.open("rb") as stream:
        while piece := stream.read(max(_READ_BYTES, block_bytes)):
            for start in range(0, len(piece), block_bytes):
                yield piece[start : start + block_bytes]


def changed_blocks(file: Path, known: bytes, block_bytes: int) -> Iterator[tuple[int, bytes]]:
    """Yield place and bytes of each block whose sum is not the known one at its place."""
    for number, block in enumerate(_blocks(file, block_bytes)):
        if known[number * SUM_BYTES : (number + 1) * SUM_BYTES] != _sum(block):
            yield number * block_bytes, block


def packed(blocks: Iterable[tuple[int, bytes]], size_bytes: int) -> Iterator[bytes]:
    """Write blocks as they are sent, compressed: the file's size, then place, length and bytes of each."""
    compressor = zlib.compressobj(6)
    yield compressor.compress(_PLACE.pack(size_bytes))
    for place, block in blocks:
        yield compressor.compress(_PLACE.pack(place) + _PLACE.pack(len(block)) + block)
    yield compressor.flush()


def apply(stream: BinaryIO, file: Path) -> None:
    """Make the new file of the older one, in place, by what `packed` wrote."""
    source = _Unpacked(stream)
    (size_bytes,) = _PLACE.unpack(source.take(_PLACE.size))
    with file.open("r+b") as target:
        while head := source.take(2 * _PLACE.size):
            place, length = struct.unpack(">QQ", head)
            target.seek(place)
            target.write(source.take(length))
        target.truncate(size_bytes)


class _Unpacked:
    """Bytes of a compressed stream, taken in pieces of any size."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._decompressor = zlib.decompressobj()
        self._buffer = bytearray()

    def take(self, count: int) -> bytes:
        """Return so many bytes, or none at the end of the stream."""
        while len(self._buffer) < count and (piece := self._stream.read(_READ_BYTES)):
            self._buffer += self._decompressor.decompress(piece)
        taken = bytes(self._buffer[:count])
        del self._buffer[:count]
        return taken
