"""The digest of what a COPY takes: it changes with what the layer would have, and with nothing else."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from containerlab import errors
from containerlab.build.files import content, hash_cache
from containerlab.build.files.content import digest
from containerlab.build.files.selection import Selection, Source
from tests.build.layers_of_copy import context, make


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return make(tmp_path / "context", {"d/f": "f", "d/sub/g": "g", "d/l": "-> f", "other": "other"})


def of(tree: Path, *paths: str, cache: Path | None = None, **options: Any) -> str:
    return digest(context(tree), Selection(paths or ("d",), "/n", **options), str(cache) if cache else None)


def retarget(tree: Path) -> None:
    (tree / "d/l").unlink()
    (tree / "d/l").symlink_to("g")


@pytest.mark.parametrize(
    "change",
    [
        lambda tree: (tree / "d/f").write_text("F"),
        lambda tree: (tree / "d/f").chmod(0o600),
        lambda tree: (tree / "d/sub").chmod(0o700),
        lambda tree: (tree / "d/f").rename(tree / "d/f2"),
        lambda tree: (tree / "d/new").touch(),
        lambda tree: (tree / "d/sub/new").mkdir(),
        lambda tree: (tree / "d/sub/g").unlink(),
        retarget,
    ],
)
def test_what_the_layer_would_have_counts(tree: Path, change: Callable[[Path], object]) -> None:
    before = of(tree)
    change(tree)
    assert of(tree) != before


@pytest.mark.parametrize(
    "change",
    [
        lambda tree: os.utime(tree / "d/f", (1, 1)),
        lambda tree: os.utime(tree / "d", (1, 1)),
        lambda tree: (tree / "d").chmod(0o711),
        lambda tree: (tree / "other").write_text("changed"),
        lambda tree: os.setxattr(tree / "d/f", "user.note", b"mine"),
    ],
)
def test_times_and_other_files_do_not_count(tree: Path, change: Callable[[Path], object]) -> None:
    before = of(tree)
    change(tree)
    assert of(tree) == before


@pytest.mark.root
def test_owners_count_only_where_they_are_kept(tree: Path) -> None:
    before, of_stage = of(tree), digest(Source((str(tree),)), Selection(("d",), "/n"))
    chowned = digest(Source((str(tree),)), Selection(("d",), "/n", (1, 1)))
    os.chown(tree / "d/f", 5, 6)
    assert of(tree) == before
    assert digest(Source((str(tree),)), Selection(("d",), "/n")) != of_stage
    assert digest(Source((str(tree),)), Selection(("d",), "/n", (1, 1))) == chowned


def test_the_selection_counts(tree: Path) -> None:
    digests = {of(tree), of(tree, "d/f"), of(tree, "d", excludes=("f",)), of(tree, "d", keeps_parents=True)}
    assert len(digests) == 4
    ignoring = digest(context(tree, "**/g"), Selection(("d",), "/n"))
    assert ignoring not in digests


def test_heredocs_count() -> None:
    first, second = (digest(Source(inline=(("A", text),)), Selection((), "/n")) for text in (b"1", b"2"))
    assert first != second


def test_big_files_are_read_in_threads_with_the_same_result(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        (tree / f"d/{number}").write_bytes(os.urandom(100_000))
    monkeypatch.setattr(content, "_THREADS_FROM_BYTES", 50_000)
    monkeypatch.setattr(content, "_MOST_OPEN", 2)
    threaded = of(tree, cache=tmp_path / "hashes")
    monkeypatch.undo()
    assert threaded == of(tree)


def test_what_is_missing_is_an_error(tree: Path) -> None:
    with pytest.raises(errors.NotFound):
        of(tree, "nothing")


# --- the cache ------------------------------------------------------------------------------------


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the list to which the size of every file is added that is read."""
    sizes: list[int] = []
    real = content._hash
    monkeypatch.setattr(content, "_hash", lambda fd, size, extra: sizes.append(size) or real(fd, size, extra))
    monkeypatch.setattr(hash_cache, "_MARGIN_NS", -(10**12))  # as if all had been changed long ago
    return sizes


def test_a_warm_digest_reads_only_what_has_changed(tree: Path, tmp_path: Path, reads: list[int]) -> None:
    cache = tmp_path / "hashes"
    before = of(tree, cache=cache)
    assert len(reads) == 2
    assert of(tree, cache=cache) == before
    assert len(reads) == 2
    (tree / "d/sub/g").write_text("longer")
    assert of(tree, cache=cache) != before
    assert reads[2:] == [6]
    assert of(tree, ".", cache=cache) == of(tree, ".")


def test_a_change_that_sets_the_time_back_is_seen(tree: Path, tmp_path: Path, reads: list[int]) -> None:
    cache = tmp_path / "hashes"
    before, status = of(tree, cache=cache), (tree / "d/f").stat()
    (tree / "d/f").write_text("F")
    os.utime(tree / "d/f", ns=(status.st_atime_ns, status.st_mtime_ns))
    assert of(tree, cache=cache) != before


def test_what_was_changed_just_now_is_not_remembered(
    tree: Path, tmp_path: Path, reads: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hash_cache, "_MARGIN_NS", 10**12)
    of(tree, cache=tmp_path / "hashes")
    of(tree, cache=tmp_path / "hashes")
    assert len(reads) == 4


def test_one_folder_taken_in_parts_is_remembered_whole(tree: Path, tmp_path: Path, reads: list[int]) -> None:
    of(tree, "d/f", "other", "d/sub/g", "d/f", cache=tmp_path / "hashes")
    count = len(reads)
    of(tree, ".", cache=tmp_path / "hashes")
    assert (count, len(reads)) == (3, 3)


def test_a_cache_of_no_use_does_no_harm(tree: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged"
    damaged.write_bytes(b"SQLite format 3\0" + bytes(100))
    assert of(tree, cache=damaged) == of(tree)
    assert of(tree, cache=tmp_path / "no/such/folder") == of(tree)
    other = tmp_path / "other"
    with sqlite3.connect(other) as database:
        database.execute("CREATE TABLE folders (nonsense)")
    database.close()
    assert of(tree, cache=other) == of(tree)
    row = tmp_path / "row"
    of(tree, cache=row)
    with sqlite3.connect(row) as database:
        database.execute("UPDATE folders SET files = x'00'")
    database.close()
    assert of(tree, cache=row) == of(tree)


@pytest.mark.root
def test_capabilities_count(tree: Path) -> None:
    before = of(tree)
    os.setxattr(
        tree / "d/f", "security.capability", bytes.fromhex("0100000200040000000000000000000000000000")
    )
    assert of(tree) != before
