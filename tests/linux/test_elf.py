"""Reading ELF files: real ones, and every way to damage one."""

from __future__ import annotations

import os
import re
import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from containerlab.linux import elf
from containerlab.linux.elf import NotElf
from containerlab.linux.libraries import Libraries

SHELL = os.path.realpath("/bin/sh")


def test_a_program_names_its_loader_and_its_libraries() -> None:
    found = elf.read(SHELL)
    assert found.bits == struct.calcsize("P") * 8
    assert os.path.exists(found.interpreter)
    assert any(name.startswith(("libc.", "libc-")) for name in found.needed)


@pytest.mark.system("busybox-static")
def test_a_static_program_needs_nothing() -> None:
    program = shutil.which("busybox")
    assert program is not None
    assert elf.read(program)[2:] == ("", (), ())
    assert Libraries().closure([program]) == ({}, set())


def test_the_closure_is_what_the_loader_finds() -> None:
    for program in filter(None, map(shutil.which, ("ls", "tar", "sh"))):
        libraries, loaders = Libraries().closure([program])
        listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
        expected = {os.path.realpath(path) for path in re.findall(r"=> (/\S+)", listed)}
        loader = {os.path.realpath(path) for path in loaders}
        assert {os.path.realpath(path) for path in libraries.values()} - loader == expected - loader


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("bits", [32, 64])
def test_all_classes_and_byte_orders(tmp_path: Path, bits: int, order: str) -> None:
    path = tmp_path / "library"
    path.write_bytes(library(bits, order))
    found = elf.read(path)
    assert found == elf.Elf(bits, 62, "/lib/loader", ("libx.so", "liby.so"), ("$ORIGIN/lib", "/opt"))


def library(bits: int, order: str, runpath: int = 29) -> bytes:
    """Return a file of one segment, as small as it can be."""
    strings = b"\0libx.so\0liby.so\0$ORIGIN/lib:/opt\0"
    word = "Q" if bits == 64 else "I"
    header_size, segment_size = (64, 56) if bits == 64 else (52, 32)
    interpreter = b"/lib/loader\0"
    start = header_size + 3 * segment_size
    dynamic_at = start + len(strings) + len(interpreter)
    entries = [(1, 1), (1, 9), (runpath, 17), (5, 0x1000 + start), (0, 0), (1, 0)]
    dynamic = b"".join(struct.pack(f"{order}{word}{word}", *each) for each in entries)
    segments = b"".join(
        _segment(bits, order, *each)
        for each in (
            (1, 0, 0x1000, dynamic_at + len(dynamic)),
            (2, dynamic_at, 0x1000 + dynamic_at, len(dynamic)),
            (3, start + len(strings), 0, len(interpreter)),
        )
    )
    ident = b"\x7fELF" + bytes([bits // 32, 1 if order == "<" else 2, 1]) + bytes(9)
    header = ident + struct.pack(
        f"{order}HHI{word}{word}{word}IHHHHHH",
        3,
        62,
        1,
        0,
        header_size,
        0,
        0,
        header_size,
        segment_size,
        3,
        0,
        0,
        0,
    )
    return header + segments + strings + interpreter + dynamic


def _segment(bits: int, order: str, kind: int, offset: int, address: int, size: int) -> bytes:
    if bits == 64:
        return struct.pack(f"{order}IIQQQQQQ", kind, 4, offset, address, address, size, size, 1)
    return struct.pack(f"{order}IIIIIIII", kind, offset, address, address, size, size, 4, 1)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("bits", [32, 64])
def test_a_library_without_its_sections_needs_the_same(tmp_path: Path, bits: int, order: str) -> None:
    path = tmp_path / "library"
    raw = library(bits, order)
    path.write_bytes(elf.without_sections(raw + b"symbols" * 1000))
    assert path.stat().st_size < len(raw) + 100
    assert elf.read(path).needed == ("libx.so", "liby.so")
    assert elf.without_sections(path.read_bytes()) == path.read_bytes()


def test_rpath_counts_without_runpath(tmp_path: Path) -> None:
    path = tmp_path / "library"
    path.write_bytes(library(64, "<", runpath=15))
    assert elf.read(path).runpath == ("$ORIGIN/lib", "/opt")


def test_origin_leads_to_a_library_beside_the_program(tmp_path: Path) -> None:
    shutil.copy(SHELL, tmp_path / "program")
    (tmp_path / "lib").mkdir()
    host = library(struct.calcsize("P") * 8, "<")
    (tmp_path / "program").write_bytes(host)
    for name in ("libx.so", "liby.so"):
        (tmp_path / "lib" / name).write_bytes(host)
    libraries, _ = Libraries().closure([str(tmp_path / "program")])
    assert libraries["libx.so"] == str(tmp_path / "lib/libx.so")


def test_a_missing_library_is_named_with_who_needs_it(tmp_path: Path) -> None:
    (tmp_path / "program").write_bytes(library(64, "<"))
    with pytest.raises(FileNotFoundError, match=r"libx\.so, which .*/program needs"):
        Libraries().closure([str(tmp_path / "program")])


@pytest.mark.parametrize(
    "content", [b"", b"#!/bin/sh\n", b"\x7fELF", b"\x7fELF" + bytes(60), b"\x7fELF\x02\x01" + b"\xff" * 58]
)
def test_what_is_no_elf_file_is_said(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(NotElf):
        elf.read(tmp_path / "x")


@given(st.integers(0, 400), st.binary(min_size=1, max_size=40), st.booleans())
@settings(max_examples=200, deadline=None)
def test_damage_is_found_or_harmless(
    tmp_path_factory: pytest.TempPathFactory, at: int, noise: bytes, cut: bool
) -> None:
    data = bytearray(library(64, "<"))
    data[at : at + len(noise)] = noise
    path = tmp_path_factory.mktemp("elf") / "x"
    path.write_bytes(data[:at] if cut else data)
    try:
        elf.read(path)
    except NotElf:
        return
