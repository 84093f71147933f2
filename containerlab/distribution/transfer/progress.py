"""What is told of a transfer while it goes on: events, for whoever watches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import msgspec

__all__ = ["Begun", "Blob", "Event", "Note", "Status", "Watcher", "nobody"]

Status = Literal[
    "waiting",
    "downloading",
    "extracting",
    "pulled",
    "uploading",
    "pushed",
    "mounted",
    "exists",
]


class Begun(msgspec.Struct, frozen=True):
    """One image comes first, or next: what is done with it, as "Pulling from", and its name and tag."""

    what: str
    repository: str
    tag: str


class Blob(msgspec.Struct, frozen=True):
    """How far a blob is."""

    digest: str
    size: int
    status: Status
    done: int = 0
    """Bytes that have been moved."""
    detail: str = ""
    """Of a blob that was mounted, the repository that it is from."""


class Note(msgspec.Struct, frozen=True):
    """A sentence about something that was done in another way."""

    text: str


Event = Begun | Blob | Note
Watcher = Callable[[Event], None]
"""Is called from any thread, by several at once."""


def nobody(event: Event) -> None:
    """Watch nothing."""
