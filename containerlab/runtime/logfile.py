"""A container's output on disk, in the log format of the Kubernetes CRI.

    2026-01-02T03:04:05.678901234Z stdout F a whole line
    2026-01-02T03:04:05.679000000Z stderr P a piece that goes on in the next line of this stream

The bytes after the tag are the program's own, so nothing is lost. Source: CRI, "Container log format".
On a full disk the program goes on; a line tells how much of its output is missing there.
"""

from __future__ import annotations

import contextlib
import os
import time

from containerlab.linux.files import is_full, write_all

__all__ = ["LogWriter"]

_TAGS = {1: b" stdout ", 2: b" stderr "}


class LogWriter:
    """Appends output to a file; turns to a new file at `most_bytes` and keeps `most_files` of them."""

    def __init__(self, directory: str, most_bytes: int = 0, most_files: int = 1) -> None:
        self._path = directory + "/log"
        self._most_bytes = most_bytes
        self._most_files = most_files
        self._missing_bytes = 0
        self._open()

    def _open(self) -> None:
        self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._size = os.fstat(self._fd).st_size
        if self._size and os.pread(self._fd, 1, self._size - 1) != b"\n":
            self._append(b"\n")  # what a power cut or a full disk tore must not spoil the next line

    def write(self, stream: int, chunk: bytes) -> None:
        """Append a chunk of stream 1 (output) or 2 (error)."""
        stamp = _timestamp(time.time_ns()) + _TAGS[stream]
        complete, newline, rest = chunk.rpartition(b"\n")
        lines = b""
        if self._missing_bytes:
            lines = stamp + b"F [%d bytes are missing here: the disk was full]\n" % self._missing_bytes
        if newline:
            full = stamp + b"F "
            lines += full + complete.replace(b"\n", b"\n" + full) + b"\n"
        if rest:
            lines += stamp + b"P " + rest + b"\n"
        try:
            self._append(lines)
            self._missing_bytes = 0
        except OSError as error:
            if not is_full(error):
                raise
            os.ftruncate(self._fd, self._size)
            self._missing_bytes += len(chunk)

    def _append(self, lines: bytes) -> None:
        if self._most_bytes and self._size and self._size + len(lines) > self._most_bytes:
            self._turn()
        write_all(self._fd, lines)
        self._size += len(lines)

    def _turn(self) -> None:
        """Begin a new file; while there is no room for one, the old one stays the one that is written to."""
        if os.path.exists(self._path):
            self._move()
        old = self._fd
        self._open()
        os.close(old)

    def _move(self) -> None:
        for number in range(self._most_files - 1, 0, -1):
            older = f"{self._path}.{number - 1}" if number > 1 else self._path
            with contextlib.suppress(FileNotFoundError):
                os.replace(older, f"{self._path}.{number}")
        if self._most_files == 1:
            os.unlink(self._path)

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)


_second = (-1, b"")


def _timestamp(now_ns: int) -> bytes:
    """Return RFC 3339 with nanoseconds; the part down to the second is computed once a second."""
    global _second
    seconds, nanoseconds = divmod(now_ns, 1_000_000_000)
    if _second[0] != seconds:
        _second = (seconds, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)).encode())
    return b"%b.%09dZ" % (_second[1], nanoseconds)
