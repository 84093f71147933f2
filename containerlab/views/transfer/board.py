"""What is known of a transfer at a moment: images, one after another, and a row for each of their blobs."""

from __future__ import annotations

from typing import Protocol

from containerlab import units

__all__ = ["Board", "Display", "Row"]

WORDS = {
    "waiting": "Waiting",
    "downloading": "Downloading",
    "extracting": "Extracting",
    "pulled": "Pull complete",
    "uploading": "Pushing",
    "pushed": "Pushed",
    "mounted": "Mounted from",
    "exists": "Already exists",
}
"""Docker's words."""
_ENDED = ("pulled", "pushed", "mounted", "exists")


class Display(Protocol):
    """Shows a transfer from its beginning to its end; may be told from any thread, by several at once."""

    def begun(self, what: str, repository: str, tag: str) -> None:
        """Take note of an image; the blobs that are told of next are its."""

    def blob(self, digest: str, size: int, status: str, done: int, detail: str) -> None: ...
    def note(self, text: str) -> None: ...
    def open(self) -> None: ...
    def close(self) -> None: ...


class Row:
    """A blob."""

    def __init__(self, digest: str, size: int) -> None:
        self.label = digest.partition(":")[2][:12]
        self.size = size
        self.status = "waiting"
        self.done = 0
        self.detail = ""

    @property
    def has_ended(self) -> bool:
        return self.status in _ENDED

    @property
    def fraction(self) -> float | None:
        """How much of it is done, while something is."""
        if self.status not in ("downloading", "uploading"):
            return None
        return min(1.0, self.done / self.size) if self.size else 1.0

    @property
    def words(self) -> str:
        return f"{WORDS[self.status]} {self.detail}".rstrip()

    @property
    def amount(self) -> str:
        """How much of how much, while something moves; else nothing."""
        if self.fraction is None:
            return ""
        return f"{units.format_size(self.done)} of {units.format_size(self.size)}"


class Board:
    """The image that is transferred now, and sentences about all of them."""

    def __init__(self) -> None:
        self.heading = ""
        self.rows: dict[str, Row] = {}
        self.notes: list[str] = []

    def begin(self, what: str, repository: str, tag: str) -> None:
        """Take note of the next image."""
        self.heading = f"{tag}: {what} {repository}" if what.endswith("from") else f"{what} [{repository}]"
        self.rows = {}

    def update(self, digest: str, size: int, status: str, done: int, detail: str) -> Row | None:
        """Take note of a blob; return its row, or nothing when that is what was known."""
        row = self.rows.setdefault(digest, Row(digest, size))
        is_news = (row.status, row.done) != (status, done) and not row.has_ended
        if is_news:
            row.status, row.done, row.detail = status, done, detail
        return row if is_news else None

    @property
    def ended(self) -> int:
        return sum(row.has_ended for row in self.rows.values())
