"""What was found in the database, and is true as long as nobody writes to it.

SQLite tells with `PRAGMA data_version`, in microseconds, whether another connection has written, of this
process or of any other; so several workers and servers on one home agree at any time.
Source: sqlite.org/pragma.html#pragma_data_version.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from containerlab.store.database import Database

__all__ = ["Documents", "Remembered"]

_MOST_FOUND = 20_000
_MOST_BYTES = 16 << 20
_T = TypeVar("_T")


class Remembered:
    """Answers of a database which this connection never writes to; safe for many threads."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._version = -1
        self._found: dict[object, Any] = {}

    def look(self, key: object, find: Callable[[sqlite3.Connection], _T]) -> _T:
        """Return what `find` finds, or found before if that is still true; `key` names the question.

        It is for statements of microseconds: others wait meanwhile.
        """
        with self._database.reading() as connection:
            self._refresh(connection)
            if key not in self._found:
                self._found[key] = find(connection)
            found: _T = self._found[key]
            return found

    def peek(self, key: object) -> tuple[int, object]:
        """Return the state of the database, and what is remembered, or None."""
        with self._database.reading() as connection:
            return self._refresh(connection), self._found.get(key)

    def keep(self, key: object, version: int, found: object) -> None:
        """Remember what was found since a `peek`, unless somebody has written meanwhile."""
        with self._database.reading() as connection:
            if self._refresh(connection) == version:
                self._found[key] = found

    def _refresh(self, connection: sqlite3.Connection) -> int:
        """Forget what may not be true any more."""
        version: int = connection.execute("PRAGMA data_version").fetchone()[0]
        if version != self._version or len(self._found) > _MOST_FOUND:
            self._version = version
            self._found.clear()
        return version


class Documents:
    """Documents by their digests, verified, as many as fit; those used last stay. Safe for many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[str, bytes] = {}
        self._bytes = 0

    def get(self, digest: str) -> bytes | None:
        """Return a document that is here."""
        with self._lock:
            raw = self._kept.pop(digest, None)
            if raw is not None:
                self._kept[digest] = raw
            return raw

    def keep(self, digest: str, raw: bytes) -> None:
        """Remember a document."""
        with self._lock:
            self._bytes += len(raw) - len(self._kept.pop(digest, b""))
            self._kept[digest] = raw
            while self._bytes > _MOST_BYTES:
                self._bytes -= len(self._kept.pop(next(iter(self._kept))))
