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

__all__ = ["OF_NONE", "Kept", "Shelf", "drop", "image_ids", "kept"]

OF_NONE = ""
"""Stands in the place of an image's id."""
_BOOT = "boot"


class Kept(NamedTuple):
    """What is kept of an image; image id: maybe `OF_NONE`. Its size is that on the disk."""

    image_id: str
    size_bytes: int


class Shelf:
    """The place of one image, or of what belongs to none."""

    def __init__(self, home: Home, image_id: str = OF_NONE) -> None:
        self._home = home
        self.path = _path(home, image_id)

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


def image_ids(home: Home) -> list[str]:
    """Return the ids of the images of which something is kept, sorted, and last `OF_NONE`."""
    names = sorted(entry.name for entry in _entries(_folder(home)))
    images = [f"sha256:{name}" for name in names if name != _BOOT]
    return [*images, *([OF_NONE] if _BOOT in names else [])]


def kept(home: Home) -> list[Kept]:
    """Return what is kept, in the order of `image_ids`."""
    return [Kept(image_id, _size_bytes(_path(home, image_id))) for image_id in image_ids(home)]


def drop(home: Home, needed: Collection[str] = ()) -> list[Kept]:
    """Remove what is kept but for these image ids, and say what is gone.

    A guest that runs keeps its disk until it ends.
    """
    doomed = [image_id for image_id in image_ids(home) if image_id not in needed]
    return [gone for image_id in doomed if (gone := _remove(home, image_id))]


def _remove(home: Home, image_id: str) -> Kept | None:
    path = _path(home, image_id)
    with home.scratch("gone-") as scratch:
        with home.lock_in(os.fspath(path)) as is_there:
            if not is_there:
                return None
            gone = Kept(image_id, _size_bytes(path))
            os.rename(path, scratch / "root")
        remove_tree(scratch / "root")
    return gone


def _size_bytes(path: Path) -> int:
    return sum(entry.stat().st_blocks * 512 for entry in _entries(path))


def _entries(path: Path) -> Iterator[os.DirEntry[str]]:
    with contextlib.suppress(FileNotFoundError):
        yield from os.scandir(path)


def _path(home: Home, image_id: str) -> Path:
    return _folder(home) / (image_id.partition(":")[2] or _BOOT)


def _folder(home: Home) -> Path:
    return home.cache / "roots"
