"""Read the file of a kernel: its architecture, its release, and the uncompressed form that starts fastest.

Source: Linux, Documentation/arch/x86/boot.rst ("The real-mode kernel header": payload_offset at 0x248),
Documentation/arch/arm64/booting.rst, drivers/firmware/efi/libstub/zboot-header.S; Xen, PVH boot ABI.
"""

from __future__ import annotations

import io
import lzma
import re
import struct
from pathlib import Path
from typing import NamedTuple

from containerlab import errors
from containerlab.store import compression
from containerlab.vm.kernel import lz4

__all__ = ["Image", "read"]

_MOST_BYTES = 1 << 29
_ELF, _ARM64, _HDRS, _ZBOOT = b"\x7fELF", b"ARM\x64", b"HdrS", b"MZ\0\0zimg"
_LZMA, _LZO = b"\x5d\x00\x00", b"\x89LZO"
_MACHINES = {62: "x86_64", 183: "aarch64"}
_OTHERS = {3: "i386", 40: "arm", 243: "riscv", 21: "ppc64", 22: "s390"}
_BANNER = re.compile(rb"Linux version ([0-9][\w.+~-]{0,100}) ")
_PT_NOTE, _PHYS32_ENTRY = 4, 18
_HINT = "give a vmlinuz, a vmlinux, a .deb of a linux-image package, or a directory that holds one"


class Image(NamedTuple):
    """What QEMU can start.

    content: the kernel, uncompressed where it can be started so. release: as `uname -r` prints it.
    """

    architecture: str
    release: str
    content: bytes


def read(path: Path) -> Image:
    """Read bzImage and vmlinux of x86_64, Image, its compressed forms and EFI's zboot of aarch64.

    A bzImage whose kernel has no PVH entry is kept as it is: QEMU starts that only through its own head.

    Raises: InvalidInput for what is none of these; CorruptContent for a damaged one; Unsupported for LZO.
    """
    given = _content(path)
    try:
        content = _unpacked(given, str(path))
    except struct.error:
        raise errors.CorruptContent(f"the kernel {path} is cut off", "fetch it again") from None
    except errors.CorruptContent as error:
        raise errors.CorruptContent(f"the kernel {path}: {error.message}", "fetch it again") from error
    architecture = _architecture(content, path)
    banner = _BANNER.search(content)
    if banner is None:
        raise errors.InvalidInput(f"{path} does not say which Linux it is", _HINT)
    if architecture == "x86_64" and not _has_pvh_entry(content):
        content = _as_given(given, path)
    return Image(architecture, banner[1].decode(), content)


def _content(path: Path) -> bytes:
    size = path.stat().st_size
    if size > _MOST_BYTES:
        raise errors.InvalidInput(f"{path} has {size} bytes, which no kernel has", _HINT)
    return path.read_bytes()


def _unpacked(data: bytes, name: str, depth: int = 0) -> bytes:
    """Return vmlinux or Image, which may lie in one another's wrappings: an EFI zboot in gzip, say."""
    if data[:4] == _ELF or data[56:60] == _ARM64:
        return data
    if depth < 3:
        if data[0x202:0x206] == _HDRS:
            return _unpacked(_decompressed(_payload(data)), name, depth + 1)
        if data[:8] == _ZBOOT:
            offset, length = struct.unpack_from("<II", data, 8)
            return _unpacked(_decompressed(_piece(data, offset, length)), name, depth + 1)
        if compression.format_of(data[:6]) or data[:4] == lz4.MAGIC:
            return _unpacked(_decompressed(data), name, depth + 1)
    raise errors.InvalidInput(f"{name} is no Linux kernel", _HINT)


def _payload(data: bytes) -> bytes:
    """Return the compressed kernel of a bzImage; it starts behind the sectors of the real-mode head."""
    sectors = data[0x1F1] or 4
    offset, length = struct.unpack_from("<II", data, 0x248)
    return _piece(data, (sectors + 1) * 512 + offset, length)


def _piece(data: bytes, offset: int, length: int) -> bytes:
    if not length or offset + length > len(data):
        raise errors.CorruptContent("it is cut off")
    return data[offset : offset + length]


def _decompressed(data: bytes) -> bytes:
    if data[:4] == lz4.MAGIC:
        return lz4.decompressed(data, _MOST_BYTES)
    if data[:4] == _LZO:
        raise errors.Unsupported("kernels that are compressed with LZO are not read", "give its vmlinux")
    if data[:3] == _LZMA:
        return _of_lzma(data)
    found = compression.opened(io.BytesIO(data)).read(_MOST_BYTES + 1)
    if len(found) > _MOST_BYTES:
        raise errors.CorruptContent(f"it unpacks to more than {_MOST_BYTES} bytes")
    return found


def _of_lzma(data: bytes) -> bytes:
    reader = lzma.LZMADecompressor(lzma.FORMAT_ALONE)
    try:
        found = reader.decompress(data, _MOST_BYTES)
    except lzma.LZMAError as error:
        raise errors.CorruptContent(f"lzma data is wrong: {error}") from error
    if not reader.eof:
        raise errors.CorruptContent("lzma data is cut off")
    return found


def _architecture(content: bytes, path: Path) -> str:
    if content[:4] != _ELF:
        return "aarch64"
    (machine,) = struct.unpack_from("<H", content.ljust(20, b"\0"), 18)
    if machine not in _MACHINES:
        name = _OTHERS.get(machine, f"machine number {machine}")
        raise errors.InvalidInput(f"{path} is for {name}", "guests are x86_64 or aarch64")
    if machine == 183:
        raise errors.InvalidInput(f"{path} is a vmlinux for aarch64", "there QEMU starts Image or vmlinuz")
    return _MACHINES[machine]


def _has_pvh_entry(content: bytes) -> bool:
    """Tell whether a vmlinux has the note by which QEMU finds where to start it."""
    try:
        (at,), (size, count) = struct.unpack_from("<Q", content, 32), struct.unpack_from("<HH", content, 54)
        headers = [struct.unpack_from("<II6Q", content, at + i * size) for i in range(count)]
        return any(
            _has_note(content[offset : offset + length])
            for kind, _, offset, _, _, length, *_ in headers
            if kind == _PT_NOTE
        )
    except struct.error:
        return False


def _has_note(notes: bytes) -> bool:
    at = 0
    while at + 12 <= len(notes):
        name_size, size, kind = struct.unpack_from("<III", notes, at)
        name = notes[at + 12 : at + 12 + name_size]
        if name == b"Xen\0" and kind == _PHYS32_ENTRY:
            return True
        at += 12 + (name_size + 3 & ~3) + (size + 3 & ~3)
    return False


def _as_given(given: bytes, path: Path) -> bytes:
    if given[:4] == _ELF:
        raise errors.InvalidInput(
            f"{path} has no PVH entry, so QEMU cannot start it uncompressed", "give its bzImage (vmlinuz)"
        )
    return given
