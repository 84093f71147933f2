"""A database: one connection to SQLite for a process, shared by its threads and never by a forked child."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from containerlab import errors

__all__ = ["Database", "Schema"]

_WAIT_S = 60.0
_AGAIN_S = 0.01


def _nothing(connection: sqlite3.Connection) -> None:
    """Leave a new database empty."""


class Schema(NamedTuple):
    """What is in a database.

    parts: statements; each part makes one version of the one before it. fill: is called in the transaction
    that makes a new database. damaged: what to do when the file is damaged.
    """

    parts: Sequence[str]
    damaged: str
    fill: Callable[[sqlite3.Connection], None] = _nothing


class Database:
    """Opened on first use.

    One connection serves all threads, one at a time: a statement takes some ten microseconds. Before a fork
    it is closed, because SQLite counts its locks per process: a child that inherits the count, even without
    using the connection, would believe that it holds them. Source: sqlite.org/howtocorrupt.html, 2.6.
    """

    def __init__(self, path: Path, schema: Schema, *, is_durable: bool = True) -> None:
        """Say where it is; what is written when it is not durable may be gone after a power cut."""
        self._path, self._schema, self._is_durable = path, schema, is_durable
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        _databases.add(self)

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Give the connection for a few statements that only read."""
        with self._lock, _translated(self._path, self._schema):
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
            self._connection = _connect(self._path, self._schema, self._is_durable)
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


def _connect(path: Path, schema: Schema, is_durable: bool) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=_WAIT_S, isolation_level=None, check_same_thread=False)
    try:
        _prepare(connection, path, schema)
        if is_durable:
            connection.execute("PRAGMA synchronous = FULL")  # what was answered is there after a power cut
    except BaseException:
        connection.close()  # or its locks would last as long as anybody remembers the error
        raise
    return connection


def _prepare(connection: sqlite3.Connection, path: Path, schema: Schema) -> None:
    connection.execute("PRAGMA foreign_keys = ON")
    newest = len(schema.parts)
    if _version(connection) < newest:
        _create(connection, schema)
    connection.execute("PRAGMA synchronous = NORMAL")
    version = _version(connection)
    if version != newest:
        raise errors.Unsupported(
            f"{path} was made by another version of containerlab (format {version}, here {newest})",
            "use that version, or another CONTAINERLAB_HOME",
        )


def _create(connection: sqlite3.Connection, schema: Schema) -> None:
    _keep_log_ahead(connection)
    connection.execute("BEGIN EXCLUSIVE")
    version = _version(connection)  # somebody else may have been faster
    for part in schema.parts[version:]:
        for statement in part.split(";"):
            connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {len(schema.parts)}")
    if version == 0:
        schema.fill(connection)
    connection.execute("COMMIT")


def _keep_log_ahead(connection: sqlite3.Connection) -> None:
    """Change to WAL; SQLite does not wait for others who are just doing the same."""
    until = time.monotonic() + _WAIT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(_AGAIN_S)


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


@contextlib.contextmanager
def _translated(path: Path, schema: Schema) -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        raise errors.Unavailable(f"cannot use {path}: {error}", "try again; is the disk full?") from error
    except sqlite3.DatabaseError as error:
        raise errors.CorruptContent(f"{path} is damaged: {error}", schema.damaged) from error
