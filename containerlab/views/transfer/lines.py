"""A transfer as lines that only come and stay: for logs, and where there is no terminal."""

from __future__ import annotations

import threading
from typing import TextIO

from containerlab.views.transfer.board import Board

__all__ = ["LinesDisplay", "NoDisplay"]


class LinesDisplay:
    """A line for each image, and one for each blob when it has arrived."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._board = Board()
        self._lock = threading.Lock()

    def begun(self, what: str, repository: str, tag: str) -> None:
        with self._lock:
            self._board.begin(what, repository, tag)
            self._write(self._board.heading)

    def blob(self, digest: str, size: int, status: str, done: int, detail: str) -> None:
        with self._lock:
            row = self._board.update(digest, size, status, done, detail)
            if row and row.has_ended:
                self._write(f"{row.label}: {row.words}")

    def note(self, text: str) -> None:
        with self._lock:
            self._write(text)

    def open(self) -> None:
        """Nothing is shown before something happens."""

    def close(self) -> None:
        """All is said."""

    def _write(self, line: str) -> None:
        self._stream.write(f"{line}\n")
        self._stream.flush()


class NoDisplay:
    """Shows nothing."""

    def begun(self, what: str, repository: str, tag: str) -> None:
        """Say nothing."""

    def blob(self, digest: str, size: int, status: str, done: int, detail: str) -> None:
        """Say nothing."""

    def note(self, text: str) -> None:
        """Say nothing."""

    def open(self) -> None:
        """Say nothing."""

    def close(self) -> None:
        """Say nothing."""
