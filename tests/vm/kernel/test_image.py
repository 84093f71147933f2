"""Files of kernels: what is accepted, and one sentence for what is not."""

from __future__ import annotations

import bz2
import gzip
import lzma
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from containerlab import errors
from containerlab.store.compression import zstd
from containerlab.vm.kernel import image, lz4
from tests.vm.kernel import fakes

FORMS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "xz": lambda data: lzma.compress(data) + b"\0\1\0\0",  # its length stands behind it, as Linux builds it
    "zstd": zstd.compress,
    "bzip2": bz2.compress,
    "lzma": lambda data: lzma.compress(data, format=lzma.FORMAT_ALONE) + b"\0\1\0\0",
    "lz4": fakes.lz4,
}


def _written(place: Path, content: bytes) -> Path:
    path = place / "vmlinuz"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("form", FORMS)
def test_a_bz_image_is_unpacked(form: str, tmp_path: Path) -> None:
    packed = fakes.bz_image(FORMS[form](fakes.vmlinux()))
    expected = image.Image("x86_64", fakes.RELEASE, fakes.vmlinux())
    assert image.read(_written(tmp_path, packed)) == expected


@pytest.mark.parametrize("wrapped", [bytes, gzip.compress, lambda data: fakes.zboot(zstd.compress(data))])
def test_forms_for_aarch64_are_unpacked(wrapped: Callable[[bytes], bytes], tmp_path: Path) -> None:
    read = image.read(_written(tmp_path, wrapped(fakes.arm_image("6.12.1-cloud-arm64"))))
    assert read == image.Image("aarch64", "6.12.1-cloud-arm64", fakes.arm_image("6.12.1-cloud-arm64"))


def test_without_pvh_entry_a_bz_image_stays_as_it_is(tmp_path: Path) -> None:
    packed = fakes.bz_image(gzip.compress(fakes.vmlinux(has_pvh=False)))
    assert image.read(_written(tmp_path, packed)).content == packed
    with pytest.raises(errors.InvalidInput, match="has no PVH entry"):
        image.read(_written(tmp_path, fakes.vmlinux(has_pvh=False)))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is no Linux kernel"),
        (b"#!/bin/sh\n" * 200, "is no Linux kernel"),
        (gzip.compress(b"a text"), "is no Linux kernel"),
        (fakes.vmlinux(machine=3), "is for i386"),
        (fakes.vmlinux(machine=9999), "is for machine number 9999"),
        (fakes.vmlinux(machine=183), "is a vmlinux for aarch64"),
        (b"\x7fELF\x02\x01\x01".ljust(18, b"\0") + b"\x3e\0", "does not say which Linux"),
    ],
)
def test_what_is_no_kernel_is_refused(content: bytes, message: str, tmp_path: Path) -> None:
    with pytest.raises(errors.InvalidInput, match=message) as caught:
        image.read(_written(tmp_path, content))
    assert caught.value.hint


@pytest.mark.parametrize("form", FORMS)
def test_one_that_is_cut_off_is_damaged(form: str, tmp_path: Path) -> None:
    packed = fakes.bz_image(FORMS[form](fakes.vmlinux()))
    for length in (0x206, len(packed) // 2 + 500, len(packed) - 20):
        with pytest.raises(errors.CorruptContent, match=r"cut off|wrong"):
            image.read(_written(tmp_path, packed[:length]))


def test_lzo_is_not_read(tmp_path: Path) -> None:
    with pytest.raises(errors.Unsupported, match="LZO"):
        image.read(_written(tmp_path, fakes.bz_image(b"\x89LZO" + bytes(100))))


def test_damaged_lz4_ends_in_an_error_or_in_bytes() -> None:
    whole = fakes.lz4(b"abc" * 300)
    chance = random.Random(5)
    for _ in range(500):
        damaged = bytearray(whole)
        damaged[chance.randrange(8, len(damaged))] = chance.randrange(256)
        try:
            lz4.decompressed(bytes(damaged), 1 << 20)
        except errors.CorruptContent:
            continue


def test_lz4_repeats_what_overlaps() -> None:
    block = bytes([0x3F]) + b"abc" + b"\x03\x00" + b"\x05" + bytes([0x10]) + b"z"
    frame = lz4.MAGIC + len(block).to_bytes(4, "little") + block
    assert lz4.decompressed(frame, 100) == (b"abc" * 9)[:27] + b"z"
    with pytest.raises(errors.CorruptContent, match="more than 10 bytes"):
        lz4.decompressed(frame, 10)
