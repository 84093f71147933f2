"""A display that is drawn again and again while a transfer goes on: events only move its board."""

from __future__ import annotations

from containerlab.views.redrawn import Redrawn
from containerlab.views.transfer.board import Board

__all__ = ["Live"]


class Live(Redrawn):
    """Keeps a board; those that inherit say how it is drawn."""

    def __init__(self) -> None:
        super().__init__()
        self.board = Board()

    def begun(self, what: str, repository: str, tag: str) -> None:
        with self.lock:
            if self.board.heading:
                self.draw(is_last=True)
                self.forget()
            self.board.begin(what, repository, tag)

    def forget(self) -> None:
        """Leave what is drawn as it is, and draw the next picture elsewhere."""

    def blob(self, digest: str, size: int, status: str, done: int, detail: str) -> None:
        with self.lock:
            self.board.update(digest, size, status, done, detail)

    def note(self, text: str) -> None:
        with self.lock:
            self.board.notes.append(text)
