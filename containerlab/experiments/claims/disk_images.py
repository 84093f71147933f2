"""An image as the disk of a machine, in the formats in which those are handed out."""

from __future__ import annotations

import gzip
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from isal import isal_zlib

from containerlab import errors
from containerlab.store.home import Home
from containerlab.store.images import Images
from containerlab.vm.rootfs.formats import DISKS
from containerlab.vm.rootfs.source import Source

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

__all__ = ["FILE_SYSTEMS", "FORMATS", "DiskImages", "Format", "unpack"]

_FREE_BYTES = 64 << 20
_PIECE_BYTES = 1 << 20
_PATIENCE_S = 600.0


class Format(NamedTuple):
    """A format that is made of a raw disk. make: writes its file. is_packed: it is unpacked before use."""

    make: Callable[[Path, Path], object]
    is_packed: bool = False


class DiskImages:
    """Disks of the images of a home, made when they are asked for and kept in a directory.

    A raw disk is a file system without a table of partitions; the same image always gives the same bytes.
    """

    def __init__(self, home: Path, names: Mapping[str, str], directory: Path) -> None:
        self._home, self._names, self._directory = home, names, directory

    def file(self, format_name: str, version: str) -> Path:
        """Return the disk of a version of the image. Raises: Unsupported when a tool for it is missing."""
        path = self._directory / f"{version}.{format_name.replace(' ', '-')}"
        if not path.exists():
            self._directory.mkdir(parents=True, exist_ok=True)
            unfinished = path.with_name(f"{path.name}.unfinished")
            if format_name in FILE_SYSTEMS:
                self._write(version, FILE_SYSTEMS[format_name], unfinished)
            else:
                FORMATS[format_name].make(self.file("raw", version), unfinished)
            unfinished.rename(path)
        return path

    def _write(self, version: str, filesystem: str, path: Path) -> None:
        if filesystem not in DISKS:
            raise errors.Unsupported(f"{filesystem} disks cannot be made here")
        images = Images(Home.open(self._home))
        try:
            layers = images.get(self._names[version]).layers
            with path.open("wb") as file:
                DISKS[filesystem].write(file.fileno(), Source(images.blobs, layers), _FREE_BYTES)
        finally:
            images.close()


def _convert(*options: str) -> Callable[[Path, Path], object]:
    def make(raw: Path, path: Path) -> None:
        if not shutil.which("qemu-img"):
            raise errors.Unsupported("qcow2 disks need qemu-img", "install the package qemu-utils")
        words = ["qemu-img", "convert", "-f", "raw", "-O", "qcow2", *options, str(raw), str(path)]
        done = subprocess.run(words, capture_output=True, text=True, timeout=_PATIENCE_S, check=False)
        if done.returncode:
            raise errors.Unavailable(f"qemu-img cannot make {path.name}: {done.stderr.strip()}")

    return make


def _gzip(raw: Path, path: Path) -> None:
    compressor = isal_zlib.compressobj(wbits=31)  # as layers are compressed
    with raw.open("rb") as source, path.open("wb") as target:
        while piece := source.read(_PIECE_BYTES):
            target.write(compressor.compress(piece))
        target.write(compressor.flush())


def _zstd(raw: Path, path: Path) -> None:
    with raw.open("rb") as source, zstd.open(path, "wb") as target:
        shutil.copyfileobj(source, target, _PIECE_BYTES)


FILE_SYSTEMS = {"raw": "ext4", "erofs": "erofs", "squashfs": "squashfs"}
"""Of disks that are what they are: the first may be written to, the others are packed for reading."""
FORMATS = {
    "qcow2": Format(_convert()),
    "qcow2 compressed": Format(_convert("-c")),
    "raw.gz": Format(_gzip, is_packed=True),
    "raw.zst": Format(_zstd, is_packed=True),
}


def unpack(path: Path, target: Path) -> None:
    """Make the raw disk of a packed one, as whoever received it has to before it can be used."""
    with (
        gzip.open(path) if path.name.endswith(".gz") else zstd.open(path) as source,
        target.open("wb") as raw,
    ):
        shutil.copyfileobj(source, raw, _PIECE_BYTES)
