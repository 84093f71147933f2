"""Somebody else's data, followed only so far: bytes, time, and how much a byte of it may become."""

from __future__ import annotations

import time
from typing import BinaryIO, NamedTuple

from containerlab import errors

__all__ = ["BOUNDS", "Bounded", "Bounds"]

_INNOCENT_BYTES = 64 << 20
"""Up to here data may grow as it likes: a small one of zeros is no bomb."""


class Bounds(NamedTuple):
    """How far somebody else's data is followed."""

    entries: int = 20_000
    inflated_bytes: int = 4 << 30
    ratio: int = 200
    time_s: float = 10.0


BOUNDS = Bounds()


class Bounded:
    """A stream that was inflated from another, and ends with an error when it becomes too much.

    Raises, while it is read: HostileArchive when a byte becomes too many; TimedOut, Unavailable.
    """

    def __init__(self, stream: BinaryIO, stored_bytes: int, bounds: Bounds) -> None:
        self._stream, self._stored_bytes, self._bounds = stream, stored_bytes, bounds
        self._until = time.monotonic() + bounds.time_s
        self.count = 0

    def read(self, size: int = -1, /) -> bytes:
        data = self._stream.read(size)
        self.count += len(data)
        if self.count > max(_INNOCENT_BYTES, self._stored_bytes * self._bounds.ratio):
            raise errors.HostileArchive(
                f"{self._stored_bytes} bytes become more than {self._bounds.ratio} times as many",
                "what is packed like this is a bomb",
            )
        if self.count > self._bounds.inflated_bytes:
            raise errors.Unavailable(f"more than {self._bounds.inflated_bytes} bytes are not looked at")
        if time.monotonic() > self._until:
            raise errors.TimedOut(f"it took more than {self._bounds.time_s:.0f} s")
        return data
