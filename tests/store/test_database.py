"""Databases that several open at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from containerlab.store.database import Database, Schema

SCHEMA = Schema(("CREATE TABLE words (word TEXT)",), "remove it")
ROUNDS, CLIENTS = 40, 8


@pytest.mark.slow
def test_many_may_make_a_new_database_at_once(tmp_path: Path) -> None:
    together = Barrier(CLIENTS)

    def count(path: Path) -> int:
        opened = Database(path, SCHEMA)
        together.wait()
        with opened.reading() as connection:
            found = connection.execute("SELECT count(*) FROM words").fetchone()[0]
        opened.close()
        return int(found)

    with ThreadPoolExecutor(CLIENTS) as threads:
        for number in range(ROUNDS):
            assert list(threads.map(count, [tmp_path / f"{number}.db"] * CLIENTS)) == [0] * CLIENTS
