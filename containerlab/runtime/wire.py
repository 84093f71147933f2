"""How a client and a monitor talk: frames on a stream socket.

A frame is a header of 8 bytes (type, three zero bytes, length as big-endian 32-bit number) and a payload;
types 0 to 2 are those of Docker's attach stream. Source: Docker Engine API, "Attach to a container".
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator

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
    """Cuts what arrives into frames; an interrupt at any moment leaves it able to go on."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def receive(self, receive: Callable[[int], bytes], most_bytes: int) -> bool:
        """Call the function, which must be one of C, with a number of bytes; say whether it gave any."""
        before = len(self._buffer)
        # Between two calls that Python makes, an interrupt would lose what has just been received.
        _exhaust(map(self._buffer.extend, map(receive, (most_bytes,))))
        return len(self._buffer) > before

    def peek(self) -> tuple[int, bytes] | None:
        """Return the next frame as (type, payload) if all of it is there; it stays until `drop`.

        Raises: ValueError when it claims to be larger than `MOST_BYTES`.
        """
        length = self._length()
        if len(self._buffer) < 8 + length:
            return None
        return self._buffer[0], bytes(self._buffer[8 : 8 + length])

    def drop(self) -> None:
        """Take the next frame away."""
        del self._buffer[: 8 + self._length()]

    def _length(self) -> int:
        length = int.from_bytes(self._buffer[4:8], "big")
        if length > MOST_BYTES:
            raise ValueError(f"a frame of {length} bytes")
        return length

    def frames(self) -> Iterator[tuple[int, bytes]]:
        """Take the frames that are complete."""
        while found := self.peek():
            self.drop()
            yield found


def _exhaust(iterable: Iterable[object]) -> None:
    """Go through it without running any Python code."""
    deque(iterable, maxlen=0)
