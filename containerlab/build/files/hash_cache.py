"""Hashes of files that were read before, so that a warm build only looks at their times.

One row for a folder, with what is known of the files in it. A hash counts while inode, size, ctime and mtime
are the same. It is not kept when the file was changed so shortly before that another change could have left
it the same times ("racy git": Documentation/technical/racy-git.txt).
Only the standard library: see `store/trees.py`.
"""

from __future__ import annotations

import contextlib
import marshal
import os
import sqlite3
import time

__all__ = ["Folder", "HashCache"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS folders (device INTEGER, inode INTEGER, files BLOB, used_s INTEGER,
                                    PRIMARY KEY (device, inode)) WITHOUT ROWID
"""
_VERSION = 1
_MARGIN_NS = 50_000_000
"""More than a tick of the clock that file systems stamp with."""
_UNUSED_S = 30 * 86400
_DAY_S = 86400

_Key = tuple[int, int, int, int]
_Place = tuple[int, int]


class Folder:
    """What is known of the files in one folder."""

    def __init__(self, known: dict[str, tuple[_Key, bytes]], trusted_ns: int, *, is_stale: bool) -> None:
        self.known = known
        self.is_changed = is_stale
        self._trusted_ns = trusted_ns

    def get(self, name: str, status: os.stat_result) -> bytes | None:
        """Return the hash of a file, if it is known."""
        known = self.known.get(name)
        return known[1] if known is not None and known[0] == _key(status) else None

    def put(self, name: str, status: os.stat_result, value: bytes) -> None:
        """Remember the hash of a file, whose status was taken before it was read."""
        if status.st_ctime_ns < self._trusted_ns:
            self.known[name] = (_key(status), value)
            self.is_changed = True


class HashCache:
    """What a file remembers; without a path nothing is. A context manager.

    A database that cannot be used (read-only, locked for long, damaged) only makes it slower.
    """

    def __init__(self, path: str | None) -> None:
        self._database = _opened(path) if path else None
        self._now_ns = time.time_ns()
        self._folders: dict[_Place, Folder] = {}
        self._last: tuple[_Place, Folder] | None = None

    def __enter__(self) -> HashCache:
        return self

    def __exit__(self, *_: object) -> None:
        if self._database is None:
            return
        with contextlib.suppress(sqlite3.Error):
            self._keep_last()
            for place, folder in self._folders.items():
                row = (*place, marshal.dumps(folder.known), self._now_ns // 1_000_000_000)
                self._database.execute("INSERT OR REPLACE INTO folders VALUES (?, ?, ?, ?)", row)
            self._database.commit()
        self._database.close()

    def folder(self, fd: int) -> Folder:
        """Return what is known of an open folder."""
        if self._database is None:
            return Folder({}, 0, is_stale=False)
        status = os.fstat(fd)
        place = (status.st_dev, _signed(status.st_ino))
        self._keep_last()
        folder = self._folders.get(place) or self._load(self._database, place)
        self._last = (place, folder)
        return folder

    def _keep_last(self) -> None:
        """Hold on to a folder of which something new is known."""
        if self._last is not None and self._last[1].is_changed:
            self._folders[self._last[0]] = self._last[1]

    def _load(self, database: sqlite3.Connection, place: _Place) -> Folder:
        query = "SELECT files, used_s FROM folders WHERE device = ? AND inode = ?"
        now_s = self._now_ns // 1_000_000_000
        trusted_ns = self._now_ns - _MARGIN_NS
        try:
            row = database.execute(query, place).fetchone()
            if row:
                return Folder(marshal.loads(row[0]), trusted_ns, is_stale=row[1] < now_s - _DAY_S)
        except (sqlite3.Error, ValueError, EOFError, TypeError):
            pass  # is hashed again
        return Folder({}, trusted_ns, is_stale=False)


def _key(status: os.stat_result) -> _Key:
    return status.st_ino, status.st_size, status.st_ctime_ns, status.st_mtime_ns


def _signed(number: int) -> int:
    """Return an inode number as SQLite has integers."""
    return number - (1 << 64) if number >= 1 << 63 else number


def _opened(path: str) -> sqlite3.Connection | None:
    try:
        database = sqlite3.connect(path, timeout=1.0)
        database.execute("PRAGMA synchronous = OFF")  # what is lost is only hashed again
        if database.execute("PRAGMA user_version").fetchone()[0] != _VERSION:
            database.execute("DROP TABLE IF EXISTS folders")
            database.execute(_SCHEMA)
            database.execute(f"PRAGMA user_version = {_VERSION}")
        oldest = int(time.time()) - _UNUSED_S
        database.execute("DELETE FROM folders WHERE used_s < ?", (oldest,))
        database.commit()
    except sqlite3.Error:
        return None
    return database
