"""A tar stream that is written in big pieces.

Only the standard library: see `store/trees.py`.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from containerlab.errors import Conflict
from containerlab.store import tar_write as tar
from containerlab.store.tar_write import Member

__all__ = ["TarStream"]

_CHUNK = 1 << 20
_FLUSH_BYTES = 256 << 10


class TarStream:
    """Takes members and their content, and hands the bytes on."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write
        self._parts: list[bytes | memoryview] = []
        self._waiting = 0

    def add(self, member: Member, content: bytes = b"") -> None:
        """Write a member with its content, or without, when `data` or `file` is to follow."""
        self.data(tar.header(member))
        if content:
            self.data(content)
            self.pad(len(content))

    def data(self, data: bytes | memoryview) -> None:
        """Write a piece of the content."""
        self._parts.append(data)
        self._waiting += len(data)
        if self._waiting >= _FLUSH_BYTES:
            self._flush()

    def pad(self, size: int) -> None:
        """End a content of so many bytes."""
        if size % 512:
            self.data(tar.padding(size))

    def file(self, fd: int, size: int, shown: str) -> None:
        """Write the content of an open file.

        Raises: Conflict when it has become shorter than it was.
        """
        left = size
        while left:
            data = os.read(fd, min(left, _CHUNK))
            if not data:
                raise Conflict(
                    f"{shown} was changed while it was copied", "try again when nothing writes to it"
                )
            left -= len(data)
            self.data(data)
        self.pad(size)

    def end(self) -> None:
        """Write what ends an archive."""
        self.data(tar.END)
        self._flush()

    def _flush(self) -> None:
        self._write(b"".join(self._parts))
        self._parts.clear()
        self._waiting = 0
