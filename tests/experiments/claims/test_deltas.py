"""What is sent to somebody who has an older file."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from containerlab.experiments.claims import deltas
from containerlab.experiments.claims.carrying import carried

_BLOCK = 16


def _deliver(old: Path, new: Path, block_bytes: int = _BLOCK) -> int:
    """Make the old file the new one; return how many bytes were sent to it."""
    changed = deltas.changed_blocks(new, deltas.sums(old, block_bytes), block_bytes)
    sent = b"".join(deltas.packed(changed, new.stat().st_size))
    deltas.apply(io.BytesIO(sent), old)
    return len(sent)


@given(old=st.binary(max_size=100), new=st.binary(max_size=100))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
def test_any_file_becomes_any_other(tmp_path: Path, old: bytes, new: bytes) -> None:
    (tmp_path / "old").write_bytes(old)
    (tmp_path / "new").write_bytes(new)
    _deliver(tmp_path / "old", tmp_path / "new")
    assert (tmp_path / "old").read_bytes() == new


def test_only_blocks_that_differ_are_sent(tmp_path: Path) -> None:
    content = bytes(range(256)) * 64
    (tmp_path / "old").write_bytes(content)
    (tmp_path / "new").write_bytes(content[:1000] + b"another" + content[1007:])
    changed = list(
        deltas.changed_blocks(tmp_path / "new", deltas.sums(tmp_path / "old", 4096), block_bytes=4096)
    )
    assert [place for place, _ in changed] == [0]
    assert len(changed[0][1]) == 4096


def test_a_sum_stands_for_each_block(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(33))
    assert len(deltas.sums(tmp_path / "file", _BLOCK)) == 3 * deltas.SUM_BYTES


def test_what_is_carried_is_counted_and_arrives() -> None:
    pieces = [b"abc", b"de", bytes(1 << 20)]
    with carried(pieces) as there:
        assert there.stream.read() == b"".join(pieces)
    assert there.passed_bytes == 5 + (1 << 20)


def test_a_receiver_that_gives_up_ends_the_sender() -> None:
    with carried(bytes(1 << 16) for _ in range(1000)) as there:
        assert there.stream.read(1) == b"\0"
    assert there.passed_bytes < 1000 << 16


def _breaks() -> object:
    yield b"first"
    raise OSError("the disk is gone")


def test_what_breaks_at_the_sender_is_raised_at_the_receiver() -> None:
    with pytest.raises(OSError, match="the disk is gone"), carried(_breaks()) as there:  # type: ignore[arg-type]
        there.stream.read()
