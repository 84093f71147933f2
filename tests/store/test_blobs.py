"""Blobs: complete and right under their digest, or not there."""

from __future__ import annotations

import io
import os
import threading
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from containerlab.errors import CorruptContent, DigestMismatch, InvalidInput, LabError, NotFound
from containerlab.oci import digest as digests
from containerlab.oci.image import MAX_DOCUMENT_BYTES, Descriptor
from containerlab.store.blobs import Blobs
from containerlab.store.home import Home


@pytest.fixture
def blobs(home: Home) -> Blobs:
    return Blobs(home)


def described(data: bytes, algorithm: str = "sha256") -> Descriptor:
    return Descriptor(media_type="x", digest=digests.of(data, algorithm), size=len(data))


def files(home: Home) -> list[Path]:
    folders = (home.oci / "blobs", home.temporary)
    return [path for folder in folders for path in folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_what_comes_in_goes_out(blobs: Blobs, algorithm: str) -> None:
    expected = described(b"hello", algorithm)
    with blobs.writer(expected) as writer:
        writer.write(b"hel")
        writer.write(b"lo")
        assert not blobs.has(expected.digest)
        assert writer.commit() == expected
    blobs.sync()
    assert blobs.open(expected).read() == b"hello"
    assert blobs.read(expected.digest) == b"hello"
    assert blobs.size(expected.digest) == 5
    assert list(blobs.digests()) == [expected.digest]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
@given(data=st.binary(max_size=100), other=st.binary(max_size=100))
def test_digest_mismatch_leaves_nothing_behind(home: Home, data: bytes, other: bytes) -> None:
    assume(data != other)
    with pytest.raises(DigestMismatch):
        Blobs(home).copy(io.BytesIO(other), described(data))
    assert files(home) == []


def test_a_block_without_commit_leaves_nothing_behind(home: Home, blobs: Blobs) -> None:
    with blobs.writer() as writer:
        writer.write(b"x")
    with pytest.raises(KeyboardInterrupt), blobs.writer() as writer:
        raise KeyboardInterrupt
    assert files(home) == []


def test_more_bytes_than_announced_are_refused_while_they_come(home: Home, blobs: Blobs) -> None:
    with blobs.writer(described(b"1234")) as writer, pytest.raises(DigestMismatch, match="more than the 4"):
        writer.write(b"12345")
    assert files(home) == []


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b"hellx"),
        lambda path: path.write_bytes(b"hell"),
        lambda path: path.write_bytes(b"hello!"),
        lambda path: (path.rename(f"{path}-"), path.symlink_to(f"{path}-")),
        lambda path: (path.unlink(), os.mkfifo(path)),
        lambda path: (path.unlink(), path.mkdir()),
    ],
    ids=["changed", "shorter", "longer", "symlink", "fifo", "directory"],
)
def test_a_damaged_blob_is_found_when_it_is_read(blobs: Blobs, damage) -> None:
    descriptor = blobs.write(b"hello", "x")
    damage(blobs.path(descriptor.digest))
    with pytest.raises(LabError, match=r"damaged|no such"):
        blobs.open(descriptor).read()
    with pytest.raises(LabError, match=r"damaged|no such"):
        blobs.read(descriptor.digest)


def test_writing_again_heals(blobs: Blobs) -> None:
    descriptor = blobs.write(b"hello", "x")
    blobs.path(descriptor.digest).write_bytes(b"hellx")
    blobs.write(b"hello", "x")
    assert blobs.open(descriptor).read() == b"hello"


def test_a_missing_blob_is_named(blobs: Blobs) -> None:
    with pytest.raises(NotFound, match="no such blob"):
        blobs.open(described(b"x"))
    with pytest.raises(NotFound):
        blobs.size(digests.of(b"x"))
    assert not blobs.keep(described(b"x"))


def test_only_digests_become_paths(blobs: Blobs) -> None:
    for text in ("sha256:../../../etc/passwd", "../x", ""):
        with pytest.raises(InvalidInput):
            blobs.path(text)


def test_documents_are_bounded(blobs: Blobs) -> None:
    descriptor = blobs.write(bytes(MAX_DOCUMENT_BYTES + 1), "x")
    with pytest.raises(CorruptContent, match="more than"):
        blobs.read(descriptor.digest)


def test_keep_wants_the_right_size(blobs: Blobs) -> None:
    descriptor = blobs.write(b"hello", "x")
    assert blobs.keep(descriptor)
    assert not blobs.keep(msgspec.structs.replace(descriptor, size=4))


def test_many_writers_of_one_digest_agree(home: Home, blobs: Blobs) -> None:
    data = bytes(1 << 20)
    threads = [threading.Thread(target=blobs.write, args=(data, "x")) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [path.name for path in files(home)] == [digests.of(data).partition(":")[2]]
    assert blobs.open(described(data)).read() == data


def test_a_lease_is_seen_until_its_end(blobs: Blobs) -> None:
    assert blobs.leased_since() == float("inf")
    with blobs.lease():
        first = blobs.leased_since()
        with blobs.lease():
            assert blobs.leased_since() == first
        assert blobs.added(blobs.write(b"x", "x").digest) >= first
    assert blobs.leased_since() == float("inf")
