"""The bytes of a blob as they come, begun again where a connection broke off."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from containerlab import errors
from containerlab.distribution.exchange import Answer, Exchange

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["Download"]

_MOST_DROPS = 5
"""Without a byte between them."""
_SKIPPED = 1 << 20
_RANGE = re.compile(r"bytes ([0-9]{1,18})-")


class Download:
    """Reads one blob, from its byte `start` on, over the first endpoint that has it; a context manager.

    Where a connection breaks off it is asked for the rest, and the next endpoint where that fails. The length
    is made sure of; the digest is for who stores it.
    """

    def __init__(self, exchanges: Sequence[Exchange], digest: str, size: int, start: int = 0) -> None:
        self._left = list(exchanges)
        self._digest, self._size = digest, size
        self._at = start
        self._drops = 0
        self._knows_ranges = True
        self._stack = ExitStack()
        self._answer: Answer | None = None

    def __enter__(self) -> Download:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        self._answer = None
        self._stack.close()

    def read(self, most: int = -1) -> bytes:
        """Return the next bytes, at most so many; nothing at the end."""
        buffer = bytearray(most if most >= 0 else self._size - self._at)
        count = self.readinto(buffer)
        return bytes(memoryview(buffer)[:count])

    def readinto(self, buffer: Buffer) -> int:
        """Read the next bytes; 0 at the end, which is where it has to be.

        Raises: NotFound, Unavailable, DigestMismatch for another length than was announced.
        """
        view = memoryview(buffer).cast("B")[: self._size - self._at]
        if not len(view):
            return self._end()
        while True:
            try:
                count = self._opened().readinto(view)
                if count:
                    self._drops, self._at = 0, self._at + count
                    return count
                raise errors.Unavailable(f"the registry broke off within blob {self._digest}", "try again")
            except (errors.Unavailable, errors.TimedOut):
                self._dropped()

    def _dropped(self) -> None:
        """Get ready to ask again. Raises: what broke it off, when that has happened too often."""
        was_open = self._answer is not None
        self.close()
        self._drops += 1
        if was_open and self._drops <= _MOST_DROPS:
            return
        if len(self._left) == 1:
            raise
        del self._left[0]
        self._drops = 0

    def _end(self) -> int:
        """See that there is no more than was announced; that also lets the connection be used again."""
        answer, self._answer = self._answer, None
        try:
            if answer is not None and answer.readinto(bytearray(1)):
                raise self._mismatch("more")
        except (errors.Unavailable, errors.TimedOut):
            pass  # all that was wanted is here
        self._stack.close()
        return 0

    def _opened(self) -> Answer:
        while self._answer is None:
            try:
                self._answer = self._ask(self._left[0])
            except errors.LabError:
                self._stack.close()
                if len(self._left) == 1:
                    raise
                del self._left[0]
        return self._answer

    def _ask(self, exchange: Exchange) -> Answer:
        """Ask for the rest; where ranges do not work, for the whole, whose first part is passed over."""
        path = f"/v2/{exchange.endpoint.repository}/blobs/{self._digest}"
        first = self._at if self._knows_ranges else 0
        headers = {"Range": f"bytes={first}-"} if first else {}
        answer = self._stack.enter_context(
            exchange.request("GET", path, headers=headers, expect=(200, 206, 416) if first else (200,))
        )
        if answer.status == 416 or (answer.status == 206 and not _begins_at(answer, first)):
            self._knows_ranges = False
            self._stack.close()
            return self._ask(exchange)
        begun = first if answer.status == 206 else 0
        if answer.length not in (None, self._size - begun):
            raise self._mismatch(str((answer.length or 0) + begun))
        _skip(answer, self._at - begun)
        return answer

    def _mismatch(self, found: str) -> errors.DigestMismatch:
        return errors.DigestMismatch(
            f"the registry has {found} bytes for blob {self._digest} where {self._size} were announced"
        )


def _begins_at(answer: Answer, start: int) -> bool:
    match = _RANGE.match(answer.headers.get("Content-Range", ""))
    return match is not None and int(match[1]) == start


def _skip(answer: Answer, count: int) -> None:
    """Pass over what is here already, where the registry knows no ranges."""
    buffer = memoryview(bytearray(min(count, _SKIPPED)))
    while count:
        skipped = answer.readinto(buffer[: min(count, _SKIPPED)])
        if not skipped:
            raise errors.Unavailable("the registry broke off", "try again")
        count -= skipped
