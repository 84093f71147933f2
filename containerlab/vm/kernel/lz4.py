"""LZ4's legacy frames, in which Linux is compressed: written in Python, because only kernels need it.

A kernel of 53 MB takes 1.1 s of CPU, once: its uncompressed form is kept. liblz4 by ctypes would take 0.2 s,
and would have to be there.
Source: lz4_Frame_format.md, "Legacy frame"; lz4_Block_format.md.
"""

from __future__ import annotations

from containerlab.errors import CorruptContent

__all__ = ["MAGIC", "decompressed"]

MAGIC = b"\x02\x21\x4c\x18"
_SHORTEST_MATCH = 4
_MORE = 15
"""A length of four bits that goes on in the bytes that follow."""


def decompressed(data: bytes, most_bytes: int) -> bytes:
    """Return what a frame holds; what follows its last whole block (the kernel's length) is left alone.

    Raises: CorruptContent when it is damaged or gives more than `most_bytes`.
    """
    found, at = bytearray(), len(MAGIC)
    while at + 4 <= len(data):
        start = at + 4
        at = start + int.from_bytes(data[at:start], "little")
        if at > len(data) or at == start:
            break
        found += _block(data[start:at])
        if len(found) > most_bytes:
            raise CorruptContent(f"lz4 data gives more than {most_bytes} bytes")
    if not found:
        raise CorruptContent("lz4 data is cut off")
    return bytes(found)


def _block(data: bytes) -> bytearray:
    try:
        return _sequences(data)
    except IndexError:
        raise CorruptContent("lz4 data is wrong: a block is cut off") from None


def _sequences(data: bytes) -> bytearray:
    """Decode literals and matches in turn; all in one function, since there are millions of them."""
    found, at, end = bytearray(), 0, len(data)
    while at < end:
        token = data[at]
        at += 1
        count = token >> 4
        if count == _MORE:
            while (more := data[at]) == 255:
                count += 255
                at += 1
            count += more
            at += 1
        found += data[at : at + count]
        at += count
        if at >= end:
            break
        distance = data[at] | data[at + 1] << 8
        at += 2
        count = token & 15
        if count == _MORE:
            while (more := data[at]) == 255:
                count += 255
                at += 1
            count += more
            at += 1
        count += _SHORTEST_MATCH
        start = len(found) - distance
        if not distance or start < 0:
            raise CorruptContent("lz4 data is wrong: it refers to what is not there")
        if distance >= count:
            found += found[start : start + count]
        else:  # the match overlaps itself: its first bytes are repeated
            found += (found[start:] * (count // distance + 1))[:count]
    return found
