"""How guest, monitor and clients talk: frames on a byte stream.

A frame is a header of 8 bytes (kind, stream as big-endian 24-bit number, length of the payload as big-endian
32-bit number) and a payload. A stream is a process of the guest: 1 is the image's own program, others are
made by EXEC. Kinds 0 to 2 are those of Docker's attach stream. Only the standard library.

A payload of pairs is `key NUL value NUL` again and again; keys may repeat, and their order counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

__all__ = ["FrameReader", "frame", "pairs", "unpaired"]

VERSION = "1"
PORT = "conlab.agent"
"""The name of the virtio-serial port that the frames go through."""
MAIN = 1
"""The stream of the image's own program. When it ends, whatever else runs in the guest is killed, as in a
container."""
MOST_BYTES = 1 << 20
STDIN_WINDOW_BYTES = 1 << 18
"""Who sends STDIN keeps at most this many bytes of a stream on their way: sent, and not yet reported TAKEN.
So a program that does not read stops nobody else."""

STDIN, STDOUT, STDERR = 0, 1, 2
STARTED, EXITED, FAILED = 3, 4, 5
"""From the guest. STARTED: pairs pid. EXITED, after all its output: pairs code (as Docker's), cpu_usec,
peak_rss_bytes, oom_killed (0 or 1: the kernel killed for want of memory while it ran). FAILED: pairs step
(what was tried: program, directory, user, terminal, fork…), errno, text (on what); the process never ran,
and there is no EXITED. FAILED on stream 0: SETUP failed."""
HELLO, PONG, MEASURED, READY = 6, 7, 8, 9
"""From the guest, stream 0. HELLO: pairs version, release, uptime_usec; it waits for SETUP. READY: SETUP is
done. PONG: the payload of its PING, of at most 4096 bytes. MEASURED: pairs as `/proc` counts:
memory_total_bytes, memory_available_bytes, cpu_usec, idle_usec, processes (without the kernel's own and the
first)."""
CLOSE_STDIN, RESIZE = 10, 11
"""To the guest. RESIZE: rows and columns as two big-endian 16-bit numbers."""
TAKEN = 12
"""From the guest: how many bytes more of STDIN went to the process, as a decimal number."""
EXEC, SIGNAL, PING, SETUP, POWEROFF, MEASURE = 13, 14, 15, 16, 17, 18
"""To the guest. EXEC makes the stream, whose number must be free (EXITED or FAILED frees it): pairs arg…,
env… (NAME=value), cwd, user (as Docker's: looked up in the guest, which then sets HOME too) or uid, gid,
then group… (numbers, more of them), tty (1), rows, columns, stdin (1: keep it open). SIGNAL: one byte.
SETUP, once: pairs hostname, clock_usec (since the epoch), seed (hexadecimal, for the random generator),
address (as 10.0.2.15/24), gateway, dns…, host… (lines of /etc/hosts), mount… (as TYPE:TAG:TARGET:ro|rw, for
which TYPE is a file system's or bind). POWEROFF: nothing more is wanted."""


def frame(kind: int, payload: bytes = b"", stream: int = 0) -> bytes:
    """Return a frame as bytes."""
    return bytes((kind,)) + stream.to_bytes(3, "big") + len(payload).to_bytes(4, "big") + payload


def pairs(items: Iterable[tuple[str, str]]) -> bytes:
    """Return a payload of pairs.

    >>> pairs([("arg", "true")])
    b'arg\\x00true\\x00'
    """
    return b"".join(part.encode(errors="surrogateescape") + b"\0" for item in items for part in item)


def unpaired(payload: bytes) -> list[tuple[str, str]]:
    """Return the pairs of a payload.

    >>> unpaired(b"code\\x000\\x00")
    [('code', '0')]
    """
    parts = [part.decode(errors="surrogateescape") for part in payload.split(b"\0")[:-1]]
    return list(zip(parts[::2], parts[1::2], strict=True))


class FrameReader:
    """Cuts what arrives into frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[int, int, bytes]]:
        """Take what has arrived and give the frames that are complete: kind, stream, payload.

        Raises: ValueError when one claims to be larger than `MOST_BYTES`.
        """
        self._buffer += data
        while len(self._buffer) >= 8:
            length = int.from_bytes(self._buffer[4:8], "big")
            if length > MOST_BYTES:
                raise ValueError(f"a frame of {length} bytes")
            if len(self._buffer) < 8 + length:
                return
            kind, stream = self._buffer[0], int.from_bytes(self._buffer[1:4], "big")
            payload = bytes(self._buffer[8 : 8 + length])
            del self._buffer[: 8 + length]
            yield kind, stream, payload
