"""How a client and a monitor talk: frames on a stream socket.

A frame is a header of 8 bytes (type, three zero bytes, length as big-endian 32-bit number) and a payload;
types 0 to 2 are those of Docker's attach stream. Source: Docker Engine API, "Attach to a container".
"""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["FrameReader", "frame"]

STDIN, STDOUT, STDERR = 0, 1, 2
STARTED, EXITED, FAILED = 3, 4, 5
"""From the monitor: JSON of the state; of the exit status; of {"step", "errno", "text"}."""
CLOSE_STDIN, RESIZE, DETACH = 10, 11, 12
"""From the client; RESIZE carries rows and columns as two big-endian 16-bit numbers."""
MOST_BYTES = 1 << 20


def frame(kind: int, payload: bytes = b"") -> bytes:
    """Return a frame as bytes."""
    return bytes((kind, 0, 0, 0)) + len(payload).to_bytes(4, "big") + payload


class FrameReader:
    """Cuts what arrives into frames; holds at most one unfinished frame."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Take bytes and yield the frames that are complete as (type, payload).

        Raises: ValueError when a frame claims to be larger than `MOST_BYTES`.
        """
        buffer = self._buffer
        buffer += data
        while len(buffer) >= 8:
            length = int.from_bytes(buffer[4:8], "big")
            if length > MOST_BYTES:
                raise ValueError(f"a frame of {length} bytes")
            if len(buffer) < 8 + length:
                return
            kind, payload = buffer[0], bytes(buffer[8 : 8 + length])
            del buffer[: 8 + length]
            yield kind, payload
