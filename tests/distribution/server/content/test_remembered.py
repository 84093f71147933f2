"""What is remembered of a database is never older than what anybody has written."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from containerlab.distribution.server.content.remembered import Documents, Remembered
from containerlab.store.database import Database, Schema

SCHEMA = Schema(("CREATE TABLE numbers (number INTEGER)",), "make it again")


@pytest.fixture
def databases(tmp_path: Path) -> Iterator[tuple[Database, Database]]:
    """Yield two connections to one database, as two processes have them."""
    ours, theirs = (Database(tmp_path / "test.db", SCHEMA) for _ in range(2))
    yield ours, theirs
    ours.close()
    theirs.close()


def count(connection: sqlite3.Connection) -> int:
    (found,) = connection.execute("SELECT count(*) FROM numbers").fetchone()
    return int(found)


def test_it_asks_once_until_somebody_writes(databases: tuple[Database, Database]) -> None:
    ours, theirs = databases
    remembered, asked = Remembered(ours), []

    def ask(connection: sqlite3.Connection) -> int:
        asked.append(1)
        return count(connection)

    assert [remembered.look("count", ask) for _ in range(3)] == [0, 0, 0]
    assert len(asked) == 1
    for number in range(1, 4):
        with theirs.writing() as connection:
            connection.execute("INSERT INTO numbers VALUES (1)")
        assert [remembered.look("count", ask) for _ in range(2)] == [number, number]
    assert len(asked) == 4


def test_what_is_not_committed_is_not_there(databases: tuple[Database, Database]) -> None:
    ours, theirs = databases
    remembered = Remembered(ours)
    assert remembered.look("count", count) == 0
    with theirs.writing() as connection:
        connection.execute("INSERT INTO numbers VALUES (1)")
        assert remembered.look("count", count) == 0
    assert remembered.look("count", count) == 1


def test_errors_are_not_remembered(databases: tuple[Database, Database]) -> None:
    remembered = Remembered(databases[0])

    def fail(connection: sqlite3.Connection) -> int:
        raise LookupError

    with pytest.raises(LookupError):
        remembered.look("count", fail)
    assert remembered.look("count", count) == 0


def test_what_took_long_to_find_is_kept_unless_somebody_wrote_meanwhile(
    databases: tuple[Database, Database],
) -> None:
    ours, theirs = databases
    remembered = Remembered(ours)
    version, nothing = remembered.peek("a")
    remembered.keep("a", version, "found")
    assert (nothing, remembered.peek("a")) == (None, (version, "found"))
    version, _ = remembered.peek("b")
    with theirs.writing() as connection:
        connection.execute("INSERT INTO numbers VALUES (1)")
    remembered.keep("b", version, "too old")
    assert [remembered.peek(key)[1] for key in ("a", "b")] == [None, None]


def test_documents_go_when_there_are_too_many_bytes_oldest_first() -> None:
    documents, size = Documents(), 5 << 20
    for number in range(3):
        documents.keep(f"{number}", bytes(size))
    assert documents.get("0") is not None  # used last from now on
    documents.keep("3", bytes(size))
    assert [documents.get(f"{number}") is not None for number in range(4)] == [True, False, True, True]


def test_a_document_that_is_kept_again_counts_once() -> None:
    documents, size = Documents(), 5 << 20
    for _ in range(10):
        documents.keep("a", bytes(size))
    documents.keep("b", bytes(size))
    assert documents.get("a") is not None
