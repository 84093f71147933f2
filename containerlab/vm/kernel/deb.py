"""Take the kernel and its modules out of a Debian package, without installing it and without dpkg.

Source: deb(5), ar(5). The archive inside is read by the store's careful reader.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from containerlab import errors
from containerlab.store import compression, tar_read

__all__ = ["MAGIC", "unpack"]

MAGIC = b"!<arch>\n"
_HEADER_BYTES = 60
_DATA = re.compile(r"data\.tar(\.(xz|zst|gz|bz2))?/?")
_KERNEL = re.compile(rb"(?:\./)?boot/vmlinu[xz]-([\w.+~-]+)")
_MODULES = re.compile(
    rb"(?:\./)?(?:usr/)?lib/modules/[\w.+~-]+/"
    rb"((?:kernel|updates)/[\w.+~/-]+\.ko(?:\.(?:xz|zst|gz))?|modules\.(?:builtin|builtin\.modinfo|order))"
)
_MOST_BYTES = 4 << 30


def unpack(packages: Iterable[Path], target: Path) -> None:
    """Write `vmlinuz` and the directory `modules` into `target`, from all packages that they are split into.

    Raises: CorruptContent for what is no package, or a damaged one; NotFound when no kernel is in them.
    """
    packages = list(packages)
    for package in packages:
        try:
            with open(package, "rb") as file:
                _unpack(_Data(file, *_found(file)), target)
        except errors.CorruptContent as error:
            raise errors.CorruptContent(f"{package}: {error.message}", "fetch it again") from error
    if not (target / "vmlinuz").exists():
        names = ", ".join(package.name for package in packages)
        raise errors.NotFound(
            f"there is no kernel in {names}", "take a package linux-image-…, not its meta package"
        )


def _found(file: BinaryIO) -> tuple[int, int]:
    """Return where in a package the archive of its files lies, and its length."""
    if file.read(len(MAGIC)) != MAGIC:
        raise errors.CorruptContent("this is no Debian package")
    while header := file.read(_HEADER_BYTES):
        size = header[48:58].strip()
        if len(header) != _HEADER_BYTES or header[58:] != b"`\n" or not size.isdigit():
            raise errors.CorruptContent("the package is damaged")
        if _DATA.fullmatch(header[:16].decode("ascii", "replace").strip()):
            return file.tell(), int(size)
        file.seek(int(size) + int(size) % 2, os.SEEK_CUR)
    raise errors.CorruptContent("the package is cut off, or has no files")


class _Data(io.RawIOBase):
    """One member of a package as a stream."""

    def __init__(self, file: BinaryIO, start: int, length: int) -> None:
        self._file, self._left = file, length
        file.seek(start)

    def read(self, size: int = -1, /) -> bytes:
        data = self._file.read(self._left if size < 0 else min(size, self._left))
        self._left -= len(data)
        return data


def _unpack(data: _Data, target: Path) -> None:
    reader = tar_read.Reader(compression.opened(data).read)
    room = _MOST_BYTES
    for entry in reader:
        path = _place(entry)
        if path is None:
            continue
        room -= entry.size
        if room < 0:
            raise errors.CorruptContent(f"the package has more than {_MOST_BYTES} bytes")
        _write(reader, target / path)


def _place(entry: tar_read.Entry) -> str | None:
    """Return where a file of the package goes, None for what no guest needs."""
    if entry.kind != tar_read.FILE or b"/../" in entry.name:
        return None
    if _KERNEL.fullmatch(entry.name):
        return "vmlinuz"
    module = _MODULES.fullmatch(entry.name)
    return f"modules/{module[1].decode()}" if module else None


def _write(reader: tar_read.Reader, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as file:
        for offset, piece in reader.data():
            file.seek(offset)
            file.write(piece)
