"""Root file systems of guests that were made before, below `cache/roots`: each complete, or not there.

<digits of the image id>/held          lock, for whoever makes or removes
<digits of the image id>/bytes         how many bytes the files of the image have
<digits of the image id>/<format>-…    the image as a disk, or as an archive with a kernel's modules
boot/held  boot/<digits>.cpio          archives without an image
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import NamedTuple

from containerlab.linux.files import remove_tree
from containerlab.store.home import Home

__all__ = ["Kept", "Shelf", "drop", "kept"]

BOOT = "boot"


class Kept(NamedTuple):
    """What is kept of an image; an empty image id for what belongs to none. Sizes as on the disk."""

    image_id: str
    size_bytes: int


class Shelf:
    """The place of one image, or of what belongs to none."""

    def __init__(self, home: Home, image_id: str = "") -> None:
        self._home = home
        self.path = _folder(home) / (image_id.partition(":")[2] or BOOT)

    def kept(self, name: str, make: Callable[[int], None]) -> Path:
        """Return the file of that name; if it is not there, let `make` write it to a descriptor, once.

        Raises: what `make` raises, and OSError; then there is no such file.
        """
        path = self.path / name
        while not path.exists():
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self._home.lock_in(os.fspath(self.path)) as is_there:
                if is_there and not path.exists():
                    self._make(path, make)
        return path

    def _make(self, path: Path, make: Callable[[int], None]) -> None:
        fd, temporary = self._home.fresh_file("root-")
        try:
            make(fd)
            os.fdatasync(fd)
            os.rename(temporary, path)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
            raise
        finally:
            os.close(fd)


def kept(home: Home) -> list[Kept]:
    """Return what is kept of each image, in the order of their ids, and last what belongs to none."""
    names = sorted(_names(home), key=lambda name: (name == BOOT, name))
    return [Kept(_image_id(name), _size_bytes(_folder(home) / name)) for name in names]


def drop(home: Home, needed: Collection[str] = ()) -> int:
    """Remove what is kept of images that are not among the ids `needed`; return the bytes freed.

    What belongs to no image goes only if nothing is needed. A guest that runs keeps its disk until it ends.
    """
    doomed = [
        name for name in _names(home) if (not needed if name == BOOT else _image_id(name) not in needed)
    ]
    return sum(_remove(home, _folder(home) / name) for name in doomed)


def _remove(home: Home, path: Path) -> int:
    with home.scratch("gone-") as scratch:
        with home.lock_in(os.fspath(path)) as is_there:
            if not is_there:
                return 0
            size_bytes = _size_bytes(path)
            os.rename(path, scratch / "root")
        remove_tree(scratch / "root")
    return size_bytes


def _size_bytes(path: Path) -> int:
    return sum(entry.stat().st_blocks * 512 for entry in _entries(path))


def _entries(path: Path) -> Iterator[os.DirEntry[str]]:
    with contextlib.suppress(FileNotFoundError):
        yield from os.scandir(path)


def _names(home: Home) -> list[str]:
    return [entry.name for entry in _entries(_folder(home))]


def _image_id(name: str) -> str:
    return "" if name == BOOT else f"sha256:{name}"


def _folder(home: Home) -> Path:
    return home.cache / "roots"
