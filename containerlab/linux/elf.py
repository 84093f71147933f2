"""Read from an ELF file what its loader needs: the interpreter, the libraries, where to look for them.

Source: elf(5); System V gABI, "Program Header" and "Dynamic Section"; ld.so(8).
"""

from __future__ import annotations

import io
import os
import struct
from typing import BinaryIO, NamedTuple

__all__ = ["Elf", "NotElf", "read", "without_sections"]

_PT_LOAD, _PT_DYNAMIC, _PT_INTERP = 1, 2, 3
_DT_NULL, _DT_NEEDED, _DT_STRTAB, _DT_RPATH, _DT_RUNPATH = 0, 1, 5, 15, 29
_MOST_SEGMENTS = 1 << 12
_MOST_BYTES = 1 << 20
_MOST_OFFSET = 1 << 40


class NotElf(ValueError):
    """The file is no ELF file, or a damaged one."""


class Elf(NamedTuple):
    """What an ELF file needs.

    bits: 32 or 64. machine: the number of its architecture (e_machine). interpreter: path of its loader,
    empty for a library or a static program. needed: names of libraries. runpath: directories to look in,
    `$ORIGIN` as it stands there; from RPATH when there is no RUNPATH.
    """

    bits: int
    machine: int
    interpreter: str
    needed: tuple[str, ...]
    runpath: tuple[str, ...]


class _Format(NamedTuple):
    header: struct.Struct
    segment: struct.Struct
    dynamic: struct.Struct
    columns: tuple[int, int, int, int]
    """Where in a segment's fields type, offset, virtual address and size in the file stand."""


def _format(ident: bytes) -> tuple[int, _Format]:
    if len(ident) < 16 or ident[:4] != b"\x7fELF" or ident[4] not in (1, 2) or ident[5] not in (1, 2):
        raise NotElf("not an ELF file")
    order = "<" if ident[5] == 1 else ">"
    if ident[4] == 1:
        return 32, _Format(
            struct.Struct(f"{order}16xHHIIIIIHHHHHH"),
            struct.Struct(f"{order}8I"),
            struct.Struct(f"{order}iI"),
            (0, 1, 2, 4),
        )
    return 64, _Format(
        struct.Struct(f"{order}16xHHIQQQIHHHHHH"),
        struct.Struct(f"{order}II6Q"),
        struct.Struct(f"{order}qQ"),
        (0, 2, 3, 5),
    )


def read(path: str | os.PathLike[str]) -> Elf:
    """Read an ELF file.

    Raises: NotElf, OSError.
    """
    with open(path, "rb") as file:
        return _read(file)


def without_sections(raw: bytes) -> bytes:
    """Return a library without what only debuggers and linkers read: often less than half of it.

    Loading uses segments alone. Not for programs: some carry data behind their end.

    Raises: NotElf.
    """
    bits, form = _format(raw[:64])
    with io.BytesIO(raw) as file:
        _, segments = _segments(file, form, raw[:64])
    end = max((offset + length for _, offset, _, length in segments), default=len(raw))
    tables = form.header.size + len(segments) * form.segment.size
    if not tables <= end < len(raw):
        return raw
    trimmed = bytearray(raw[:end])
    at, length = (0x28, 8) if bits == 64 else (0x20, 4)
    trimmed[at : at + length] = bytes(length)  # e_shoff
    counts = form.header.size - 4  # e_shnum and e_shstrndx are the last fields
    trimmed[counts : counts + 4] = bytes(4)
    return bytes(trimmed)


def _segments(file: BinaryIO, form: _Format, start: bytes) -> tuple[int, list[tuple[int, ...]]]:
    """Return the machine, and (type, offset, address, size) of each segment."""
    try:
        fields = form.header.unpack_from(start)
    except struct.error as error:
        raise NotElf("damaged ELF file: it is cut off") from error
    machine, at, size, count = fields[1], fields[4], fields[8], fields[9]
    if size != form.segment.size or count > _MOST_SEGMENTS:
        raise NotElf("damaged program headers")
    table = [form.segment.unpack(_bytes(file, at + i * size, size)) for i in range(count)]
    return machine, [tuple(row[column] for column in form.columns) for row in table]


def _read(file: BinaryIO) -> Elf:
    start = file.read(64)
    bits, form = _format(start)
    machine, segments = _segments(file, form, start)
    try:
        interpreter = ""
        for kind, offset, _, length in segments:
            if kind == _PT_INTERP:
                interpreter = os.fsdecode(_bytes(file, offset, length).rstrip(b"\0"))
        needed, runpath = _dynamic(file, form, segments)
    except (struct.error, OverflowError) as error:
        raise NotElf(f"damaged ELF file: {error}") from error
    return Elf(bits, machine, interpreter, needed, runpath)


def _dynamic(
    file: BinaryIO, form: _Format, segments: list[tuple[int, ...]]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    entries: list[tuple[int, int]] = []
    for kind, offset, _, length in segments:
        if kind == _PT_DYNAMIC:
            raw = _bytes(file, offset, length - length % form.dynamic.size)
            entries += form.dynamic.iter_unpack(raw)
    tags = [tag for tag, _ in entries]
    if _DT_NULL in tags:
        entries = entries[: tags.index(_DT_NULL)]
    last = dict(entries)
    if _DT_STRTAB not in last:
        return (), ()
    strings = _file_offset(segments, last[_DT_STRTAB])
    needed = tuple(_string(file, strings + value) for tag, value in entries if tag == _DT_NEEDED)
    paths = last.get(_DT_RUNPATH, last.get(_DT_RPATH))
    runpath = () if paths is None else tuple(filter(None, _string(file, strings + paths).split(":")))
    return needed, runpath


def _file_offset(segments: list[tuple[int, ...]], address: int) -> int:
    for kind, offset, start, length in segments:
        if kind == _PT_LOAD and start <= address < start + length:
            return offset + address - start
    raise NotElf("damaged ELF file: an address outside of all segments")


def _bytes(file: BinaryIO, offset: int, length: int) -> bytes:
    if length > _MOST_BYTES:
        raise NotElf("damaged ELF file: a table of impossible size")
    _seek(file, offset)
    data = file.read(length)
    if len(data) != length:
        raise NotElf("damaged ELF file: it is cut off")
    return data


def _seek(file: BinaryIO, offset: int) -> None:
    if not 0 <= offset <= _MOST_OFFSET:
        raise NotElf("damaged ELF file: an impossible offset")
    file.seek(offset)


def _string(file: BinaryIO, offset: int) -> str:
    _seek(file, offset)
    text, zero, _ = file.read(4096).partition(b"\0")
    if not zero:
        raise NotElf("damaged ELF file: a name without end")
    return os.fsdecode(text)
