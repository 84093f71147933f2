"""An answer of a registry: its status and headers, and a body that is read once."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Mapping
from http.client import HTTPException
from typing import TYPE_CHECKING, Any

from containerlab import errors
from containerlab.distribution.refusals import Dropped, plain
from containerlab.oci import digest as digests

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse

__all__ = ["MAX_DOCUMENT", "Answer"]

MAX_DOCUMENT = 4 << 20
"""What a document may have; a registry need not take larger manifests either."""
_DOCUMENT_S = 120.0
_PIECE = 64 << 10
_WARNING = re.compile(r'\s*299\s+\S+\s+"((?:[^"\\]|\\.)*)"')


class Answer:
    """Read by one thread; finished by the block of `Exchange.request`."""

    def __init__(self, response: BaseHTTPResponse, url: str) -> None:
        self.status = response.status
        self.url = url
        """After redirects."""
        self.headers: Mapping[str, str] = response.headers
        """By names in any case; what comes several times is joined by commas."""
        self._response = response
        # What urllib3 reads from. Its own `readinto` copies, and waits until the buffer is full.
        self._body: Any = response._fp  # type: ignore[attr-defined]
        self._file: Any = None if self._body.chunked else self._body.fp
        self._left: int | None = self._body.length
        """None: in chunks, or up to the end of the connection."""
        self._is_done = self._left == 0 or self._body.isclosed()
        self._is_broken = False

    @property
    def length(self) -> int | None:
        """What Content-Length says."""
        text = self.headers.get("Content-Length", "")
        return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None

    @property
    def media_type(self) -> str:
        """What Content-Type says, without parameters."""
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()

    @property
    def digest(self) -> str:
        """What Docker-Content-Digest says; empty when it says nothing, or no digest."""
        try:
            return digests.parse(self.headers.get("Docker-Content-Digest", ""))
        except errors.InvalidInput:
            return ""

    def all(self, name: str) -> list[str]:
        """Return a header that may come several times."""
        found: list[str] = self._response.headers.getlist(name)
        return found

    def warnings(self) -> list[str]:
        """Return what it warns of, by the specification's `Warning: 299 - "text"`."""
        matches = (_WARNING.match(text) for text in self.all("Warning"))
        return [plain(re.sub(r"\\(.)", r"\1", match[1])) for match in matches if match]

    def readinto(self, buffer: memoryview | bytearray) -> int:
        """Fill a buffer with what comes next, at least a byte; 0 is the end.

        Raises: Dropped when the body ends before it is whole.
        """
        if self._is_done or not len(buffer):
            return 0
        try:
            count = self._read_some(memoryview(buffer))
        except (HTTPException, OSError, ValueError) as error:  # ValueError: closed by another thread
            self._is_done = self._is_broken = True
            raise Dropped(f"the connection was lost while {plain(self.url)} was read", "try again") from error
        if self._left is not None:
            self._left -= count
        self._is_done = count == 0 or self._left == 0
        if count == 0 and self._left:
            self._is_broken = True
            raise Dropped(f"the answer of {plain(self.url)} ends {self._left} bytes too early", "try again")
        return count

    def _read_some(self, buffer: memoryview) -> int:
        """Read what is there, and wait only when nothing is."""
        if self._file is None:
            piece: bytes = self._body.read1(len(buffer))
            buffer[: len(piece)] = piece
            return len(piece)
        if self._left is not None:
            buffer = buffer[: self._left]
        return int(self._file.readinto1(buffer))

    def read(self, most: int = MAX_DOCUMENT) -> bytes:
        """Return the whole body, a document.

        Raises: CorruptContent when it is longer than `most` bytes; TimedOut when it comes drop by drop.
        """
        content, piece = bytearray(), memoryview(bytearray(_PIECE))
        deadline = time.monotonic() + _DOCUMENT_S
        while count := self.readinto(piece):
            content += piece[:count]
            if len(content) > most:
                raise errors.CorruptContent(
                    f"{plain(self.url)} gives more than the {most} bytes that a document may have"
                )
            if time.monotonic() > deadline:
                raise errors.TimedOut(
                    f"{plain(self.url)} was not read within {_DOCUMENT_S:.0f} s", "try again"
                )
        return bytes(content)

    def close(self) -> None:
        """Give the connection back when the body was read to its end; else close it."""
        if self._is_done and not self._is_broken:
            self._body.close()  # it does not know that it is at its end
            self._response.release_conn()
        else:
            self._response.close()

    def discard(self) -> None:
        """Finish what nobody wants to read, and keep the connection if that is soon done."""
        with contextlib.suppress(errors.LabError):
            self.read(_PIECE)
        self.close()
