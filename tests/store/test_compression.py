"""Compressed streams: recognised by what they are, read to their end, with every damage noticed."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import sys
import tracemalloc
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from containerlab.errors import CorruptContent, Unsupported
from containerlab.oci import image
from containerlab.store.compression import decompressed, format_of, opened

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "zstd": zstd.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
}
names = pytest.mark.parametrize("name", COMPRESSORS)


class Dribble(io.RawIOBase):
    """Gives one byte at a time, as a slow pipe may."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def read(self, size: int = -1) -> bytes:
        return self._data.read(min(size, 1))


@names
def test_formats_are_recognised(name: str) -> None:
    assert format_of(COMPRESSORS[name](b"x")) == name
    assert opened(io.BytesIO(COMPRESSORS[name](b"hello"))).read() == b"hello"


@names
def test_a_pipe_that_dribbles_is_read_whole(name: str) -> None:
    assert opened(Dribble(COMPRESSORS[name](b"hello" * 100))).read() == b"hello" * 100


@names
@given(members=st.lists(st.binary(max_size=2000), min_size=1, max_size=4))
def test_several_members_are_one_stream(name: str, members: list[bytes]) -> None:
    data = b"".join(map(COMPRESSORS[name], members))
    assert opened(io.BytesIO(data)).read() == b"".join(members)


@names
@given(cut=st.integers(1, 60))
def test_what_is_cut_off_is_noticed(name: str, cut: int) -> None:
    data = COMPRESSORS[name](bytes(range(256)) * 20)
    with pytest.raises(CorruptContent, match=f"{name} data is"):
        opened(io.BytesIO(data[: -min(cut, len(data) - 10)])).read()


@pytest.mark.parametrize("name", ["gzip", "bzip2", "xz"])  # zstd has no checksum unless it is asked for
def test_what_is_changed_is_noticed(name: str) -> None:
    data = bytearray(COMPRESSORS[name](bytes(range(256)) * 20))
    data[len(data) // 2] ^= 0xFF
    with pytest.raises(CorruptContent):
        opened(io.BytesIO(bytes(data))).read()


def test_padding_after_the_last_member_is_read_and_ignored() -> None:
    source = io.BytesIO(gzip.compress(b"x") + bytes(1000))
    assert opened(source).read() == b"x"
    assert source.read() == b""


@given(st.binary(max_size=100).filter(lambda data: not format_of(data)))
def test_anything_else_passes_unchanged(data: bytes) -> None:
    assert opened(io.BytesIO(data)).read() == data


def test_a_bomb_is_unpacked_with_bounded_memory() -> None:
    source = io.BytesIO(gzip.compress(bytes(50 << 20)))
    tracemalloc.start()
    stream, total = opened(source), 0
    while chunk := stream.read(100_000):
        total += len(chunk)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert total == 50 << 20
    assert peak_bytes < 4 << 20


def test_a_media_type_that_lies_does_no_harm() -> None:
    source = io.BytesIO(zstd.compress(b"x"))
    assert decompressed(source, image.OCI_LAYER_GZIP).read() == b"x"


def test_an_encrypted_layer_is_refused() -> None:
    with pytest.raises(Unsupported, match="encrypted"):
        decompressed(io.BytesIO(b""), f"{image.OCI_LAYER_GZIP}+encrypted")
