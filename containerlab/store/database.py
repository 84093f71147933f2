"""state.db: one connection to SQLite for a process, shared by its threads and never by a forked child."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

from containerlab import errors

__all__ = ["Database"]

_VERSION = 2
_IMAGES = """
CREATE TABLE images (digest TEXT PRIMARY KEY, media_type TEXT NOT NULL, size INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE manifests (
    image TEXT NOT NULL REFERENCES images ON DELETE CASCADE,
    digest TEXT NOT NULL, id TEXT NOT NULL, platform TEXT NOT NULL, position INTEGER NOT NULL,
    PRIMARY KEY (image, digest)
) WITHOUT ROWID;
CREATE INDEX manifests_digest ON manifests (digest);
CREATE INDEX manifests_id ON manifests (id);
CREATE TABLE contents (
    image TEXT NOT NULL REFERENCES images ON DELETE CASCADE,
    digest TEXT NOT NULL, kind TEXT NOT NULL,
    PRIMARY KEY (image, digest, kind)
) WITHOUT ROWID;
CREATE TABLE names (name TEXT PRIMARY KEY, image TEXT NOT NULL REFERENCES images) WITHOUT ROWID;
CREATE INDEX names_image ON names (image);
PRAGMA user_version = 1
"""
_BUILDS = """
CREATE TABLE build_steps (
    key TEXT PRIMARY KEY, slot TEXT NOT NULL, parts TEXT NOT NULL, text TEXT NOT NULL, diff_id TEXT NOT NULL,
    digest TEXT NOT NULL, media_type TEXT NOT NULL, size INTEGER NOT NULL,
    created REAL NOT NULL, used REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX build_steps_slot ON build_steps (slot, created);
CREATE TABLE build_contents (
    tree TEXT NOT NULL, selection TEXT NOT NULL, digest TEXT NOT NULL, PRIMARY KEY (tree, selection)
) WITHOUT ROWID;
PRAGMA user_version = 2
"""
_WAIT_S = 60.0


class Database:
    """Opened on first use.

    One connection serves all threads, one at a time: a statement takes some ten microseconds. Before a fork
    it is closed, because SQLite counts its locks per process: a child that inherits the count, even without
    using the connection, would believe that it holds them. Source: sqlite.org/howtocorrupt.html, 2.6.
    """

    def __init__(self, path: Path, fill: Callable[[sqlite3.Connection], None]) -> None:
        """Use the file at `path`; when it has to be made, `fill` does so within the same transaction."""
        self._path, self._fill = path, fill
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        _databases.add(self)

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Give the connection for a few statements that only read."""
        with self._lock, _translated(self._path):
            yield self._open()

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Give the connection for one transaction, undone when the block raises."""
        with self.reading() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    def close(self) -> None:
        with self._lock:
            self._close()

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = _connect(self._path, self._fill)
        return self._connection

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _before_fork(self) -> None:
        self._lock.acquire()
        self._close()

    def _after_fork(self) -> None:
        self._lock.release()


_databases: weakref.WeakSet[Database] = weakref.WeakSet()
_forking: list[Database] = []


def _before_fork() -> None:
    _forking[:] = _databases
    for database in _forking:
        database._before_fork()


def _after_fork() -> None:
    for database in _forking:
        database._after_fork()
    _forking.clear()


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)


def _connect(path: Path, fill: Callable[[sqlite3.Connection], None]) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=_WAIT_S, isolation_level=None, check_same_thread=False)
    try:
        _prepare(connection, path, fill)
    except BaseException:
        connection.close()  # or its locks would last as long as anybody remembers the error
        raise
    return connection


def _prepare(connection: sqlite3.Connection, path: Path, fill: Callable[[sqlite3.Connection], None]) -> None:
    connection.execute("PRAGMA foreign_keys = ON")
    if _version(connection) < _VERSION:
        _create(connection, fill)
    connection.execute("PRAGMA synchronous = FULL")  # what was answered is there after a power cut
    version = _version(connection)
    if version != _VERSION:
        raise errors.Unsupported(
            f"{path} was made by another version of containerlab (format {version}, here {_VERSION})",
            "use that version, or another CONTAINERLAB_HOME",
        )


def _create(connection: sqlite3.Connection, fill: Callable[[sqlite3.Connection], None]) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("BEGIN EXCLUSIVE")
    version = _version(connection)  # somebody else may have been faster
    for part in (_IMAGES, _BUILDS)[version:]:
        for statement in part.split(";"):
            connection.execute(statement)
    if version == 0:
        fill(connection)
    connection.execute("COMMIT")


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


@contextlib.contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        raise errors.Unavailable(f"cannot use {path}: {error}", "try again; is the disk full?") from error
    except sqlite3.DatabaseError as error:
        raise errors.CorruptContent(
            f"{path} is damaged: {error}", "move it away: names are then read again from oci/index.json"
        ) from error
