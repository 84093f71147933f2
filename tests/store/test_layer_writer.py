"""Streams become blobs: the same ones however they come, and nothing when it goes wrong."""

from __future__ import annotations

import os
import random
import subprocess
import threading

import pytest

from containerlab.errors import Unavailable
from containerlab.store.blobs import Blobs, Writer
from containerlab.store.home import Home
from containerlab.store.layer_writer import COMPRESSIONS, Committed, layer_writer

_BLOCK = 1 << 20
_RANDOM = random.Random(1)
STREAM = b"".join(b"line %d\n" % _RANDOM.randrange(10**6) for _ in range(200_000)) + _RANDOM.randbytes(_BLOCK)


def _stored(home: Home, pieces: list[bytes], compression: str = "gzip") -> Committed:
    with layer_writer(Blobs(home), compression) as layer:
        for piece in pieces:
            layer.write(piece)
        return layer.commit()


def _cut(stream: bytes, longest: int) -> list[bytes]:
    pieces = []
    while stream:
        count = _RANDOM.randrange(1, longest)
        pieces.append(stream[:count])
        stream = stream[count:]
    return pieces


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_equal_streams_give_equal_blobs_however_they_come(home: Home, compression: str) -> None:
    wanted = _stored(home, [STREAM], compression)
    for longest in (100_000, 3 * _BLOCK):
        assert _stored(home, _cut(STREAM, longest), compression) == wanted


@pytest.mark.parametrize("size", [0, 1, _BLOCK - 1, _BLOCK, _BLOCK + 1, 2 * _BLOCK])
def test_gzip_reads_what_was_written(home: Home, size: int) -> None:
    committed = _stored(home, _cut(STREAM[:size], 300_000))
    path = Blobs(home).path(committed.descriptor.digest)
    assert subprocess.run(["gzip", "-dc", path], check=True, capture_output=True).stdout == STREAM[:size]


def test_an_archive_of_nothing_is_the_blob_that_registries_have(home: Home) -> None:
    committed = _stored(home, [bytes(512), bytes(512)])
    assert committed.diff_id.startswith(
        "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"
    )
    assert committed.descriptor.digest == (
        "sha256:4f4fb700ef54461cfa02571ae0db9a0dc1e0cdb5577484a6d75e68dc38e8acc1"
    )
    assert committed.descriptor.size == 32


@pytest.mark.parametrize("count", [1, 3, 40])
def test_what_fails_while_it_is_written_is_told_and_leaves_nothing(
    home: Home, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    def refuse(writer: Writer, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Writer, "write", refuse)
    before = threading.active_count()
    with pytest.raises(Unavailable, match="no space left"):
        _stored(home, [os.urandom(_BLOCK)] * count)
    assert threading.active_count() == before
    assert not os.listdir(home.temporary)


def test_who_gives_up_waits_for_no_thread(home: Home) -> None:
    before = threading.active_count()
    with layer_writer(Blobs(home)) as layer:
        layer.write(STREAM)
        assert threading.active_count() == before + 2
    assert threading.active_count() == before
    assert not os.listdir(home.temporary)
