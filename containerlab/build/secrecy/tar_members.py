"""Which file of a tar stream a byte belongs to, for those who only watch the stream go by.

Source: pax(1), "ustar Interchange Format". Errors of an archive are not told here: who unpacks it finds them.
"""

from __future__ import annotations

import bisect
import re

__all__ = ["Members"]

_BLOCK = 512
_PATH = re.compile(rb"(?:^|\n)\d+ path=([^\n]*)\n")
_SIZE = re.compile(rb"(?:^|\n)\d+ size=(\d+)\n")
_WITHOUT_DATA = b"123456"
_METADATA = b"xXgLK"
_MOST_METADATA = 1 << 20


class Members:
    """Follows the headers of a tar stream. Offsets count from the beginning of the stream."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._names: list[str] = []
        self._partial = b""
        self._seen = 0
        self._at = 0
        """Where the block begins that is needed next: a header, or the text after one."""
        self._length = _BLOCK
        self._text = b""
        """The kind of the text that is needed next, or nothing when it is a header."""
        self._start = 0
        """Where the headers of the next member began."""
        self._name, self._size = b"", -1

    def feed(self, data: bytes) -> None:
        base = self._seen - len(self._partial)
        data = self._partial + data
        self._partial = b""
        self._seen = base + len(data)
        while (at := self._at - base) + self._length <= len(data):
            block = data[at : at + self._length]
            self._take_text(block) if self._text else self._take_header(block)
        if at < len(data):
            self._partial = data[at:]

    def at(self, offset: int) -> str | None:
        """Return the name of the member that has a byte, headers included; None when it is not known yet."""
        if offset >= self._start:
            return None
        found = bisect.bisect_right(self._starts, offset) - 1
        return self._names[found] if found >= 0 else ""

    def forget(self) -> None:
        """Drop all members but the last: nobody will ask for bytes before it any more."""
        del self._starts[:-1], self._names[:-1]

    def _take_text(self, text: bytes) -> None:
        """Take a name or the records of a PAX header."""
        if self._text == b"L":
            self._name = text.rstrip(b"\0")
        elif self._text in (b"x", b"X"):
            if path := _PATH.search(text):
                self._name = path[1]
            if size := _SIZE.search(text):
                self._size = int(size[1])
        self._go_on(self._at + -(-len(text) // _BLOCK) * _BLOCK)

    def _take_header(self, block: bytes) -> None:
        kind, size = block[156:157], _number(block[124:136])
        if kind in _METADATA and 0 < size <= _MOST_METADATA:
            self._text, self._at, self._length = kind, self._at + _BLOCK, size
            return
        if self._size >= 0:
            size = self._size
        prefix = block[345:500].partition(b"\0")[0] if block[257:263] == b"ustar\0" else b""
        name = self._name or (prefix + b"/" if prefix else b"") + block[:100].partition(b"\0")[0]
        self._starts.append(self._start)
        self._names.append(name.removeprefix(b"./").strip(b"/").decode(errors="replace"))
        blocks = 0 if kind in _WITHOUT_DATA else -(-size // _BLOCK)
        self._go_on(self._at + (1 + blocks) * _BLOCK)
        self._start, self._name, self._size = self._at, b"", -1

    def _go_on(self, at: int) -> None:
        self._text, self._at, self._length = b"", at, _BLOCK


def _number(field: bytes) -> int:
    """Read a size, in octal or, if its first bit is set, in binary; 0 for what is neither."""
    if field[0] & 0x80:
        return int.from_bytes(field, "big") & ((1 << 94) - 1)
    try:
        return max(0, int(field.strip(b" \0") or b"0", 8))
    except ValueError:
        return 0
