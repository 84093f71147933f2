"""What a verification of a registry's blobs has found, and how far it is meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from containerlab import units
from containerlab.views.table import Column, Table

if TYPE_CHECKING:
    from containerlab.distribution.api.garbage import Verified

__all__ = ["Verification", "verified"]

_COLUMNS = (
    Column("digest", "DIGEST", lambda row: row.digest, "text"),
    Column("problem", "PROBLEM", lambda row: row.problem, "text"),
    Column("repositories", "REPOSITORIES", lambda row: ", ".join(row.repositories), "text"),
)


class Verification(Table["Verified"]):
    """Blobs that are missing or damaged; `exit_code` is 1 when there are some."""

    def __init__(self, rows: Sequence[Verified], title: str) -> None:
        super().__init__(rows, _COLUMNS, title)

    @property
    def exit_code(self) -> int:
        return 1 if len(self) else 0

    def to_text(self, full: bool = False) -> str:
        return super().to_text(full) if len(self) else self.title


def verified(
    lines: Iterator[Verified], showing: Callable[[str], AbstractContextManager[Callable[[str], None]]]
) -> Verification:
    """Read all that a registry says, and show meanwhile how far it is."""
    found, blobs, count = [], 0, 0
    with showing("Verifying") as say:
        for line in lines:
            blobs, count = line.blobs, line.bytes
            say(f"Verifying: {blobs} blobs, {units.format_size(count)}")
            if line.problem:
                found.append(line)
    wrong = f"{len(found)} of them missing or damaged" if found else "all as they should be"
    return Verification(found, f"{blobs} blobs, {units.format_size(count)}: {wrong}")
