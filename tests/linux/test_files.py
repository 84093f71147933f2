"""Files that are whole or not there."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from containerlab.linux.files import read_whole, write_atomically


def test_threads_that_write_one_file_leave_the_words_of_one(tmp_path: Path) -> None:
    path = str(tmp_path / "file")
    words = [str(number).encode() * 1000 for number in range(200)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda content: write_atomically(path, content), words))
    assert read_whole(path) in words
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]
