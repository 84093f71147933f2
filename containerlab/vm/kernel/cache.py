"""Guest kernels that are here: HOME/cache/kernels/<id>/ with kernel.json, image and modules.

A kernel is made below `tmp` and renamed, so that it is whole or not there. `own-…` are those that users named
by path: what was unpacked of them is kept, to be found again as long as the file is the same.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from containerlab import errors
from containerlab.linux.files import remove_tree
from containerlab.linux.syscalls import syncfs
from containerlab.store.home import Home
from containerlab.vm.kernel.kernel import Kernel

__all__ = ["Kept", "cached", "keep", "latest", "locked", "of", "remove"]

_FOLDER, _LOCK, _NOTE, OWN = "kernels", "kernels", "kernel.json", "own-"
_NUMBERS = re.compile(r"\d+")


class _Note(msgspec.Struct, frozen=True):
    """What kernel.json says; image and modules are relative to it, or absolute.

    image_bytes: the size of the image, so that a torn one is told; 0 where nobody noted it.
    """

    release: str
    architecture: str
    digest: str
    source: str
    image: str = "image"
    modules: str = ""
    image_bytes: int = 0


class Kept(NamedTuple):
    """A kernel that is kept. source: where it came from. used_s: when it last was of use, since the epoch."""

    id: str
    kernel: Kernel
    source: str
    size_bytes: int
    created_s: float
    used_s: float


def cached(home: Home) -> list[Kept]:
    """Return the kernels that are here, the newest release first."""
    folder = home.cache / _FOLDER
    places = list(folder.iterdir()) if folder.is_dir() else []
    found = [kept for place in places if (kept := _kept(place)) is not None]
    return sorted(found, key=lambda kept: (_version(kept.kernel.release), kept.id), reverse=True)


def latest(home: Home, architecture: str) -> Kernel | None:
    """Return the newest kernel that was downloaded for an architecture."""
    folder = home.cache / _FOLDER
    names = os.listdir(folder) if folder.is_dir() else []
    fitting = [name for name in names if name.endswith(f"-{architecture}") and not name.startswith(OWN)]
    for name in sorted(fitting, key=_version, reverse=True):
        if (kernel := of(home, name)) is not None:
            return kernel
    return None


def of(home: Home, kernel_id: str) -> Kernel | None:
    """Return a kernel by its id, and note that it is of use."""
    place = home.cache / _FOLDER / kernel_id
    note = _read(place)
    if note is None:
        return None
    with contextlib.suppress(OSError):
        os.utime(place)
    return _kernel(note, place)


def remove(home: Home, kernel_id: str) -> None:
    """Remove a kernel; a machine that runs keeps it to its end.

    Raises: NotFound.
    """
    with locked(home), home.scratch("kernel-") as scratch:
        try:
            os.rename(home.cache / _FOLDER / kernel_id, scratch / "removed")
        except (FileNotFoundError, NotADirectoryError):
            known = [kept.id for kept in cached(home)]
            raise errors.NotFound.named(
                "guest kernel", kernel_id, known, "see `conlab vm kernel ls`"
            ) from None


@contextlib.contextmanager
def locked(home: Home) -> Iterator[None]:
    """Hold the lock under which kernels are fetched, so that of several processes one does it."""
    with home.lock(_LOCK):
        yield


def keep(home: Home, kernel_id: str, made: Path, kernel: Kernel, source: str) -> Kernel:
    """Move what was made below `tmp` to its place, and return the kernel as it is there.

    Image and modules of `kernel` may lie in `made`, or anywhere else for good. The caller holds the lock.
    """
    inside = [
        str(path.relative_to(made)) if path.is_relative_to(made) else str(path) for path in _paths(kernel)
    ]
    size_bytes = kernel.image.stat().st_size if kernel.image.is_relative_to(made) else 0
    known = _Note(kernel.release, kernel.architecture, kernel.digest, source, inside[0])
    note = msgspec.structs.replace(known, modules="".join(inside[1:]), image_bytes=size_bytes)
    (made / _NOTE).write_bytes(msgspec.json.encode(note))
    _bring_to_medium(made)
    place = home.cache / _FOLDER / kernel_id
    place.parent.mkdir(mode=0o700, exist_ok=True)
    if place.exists():
        remove_tree(place)
    os.rename(made, place)
    return _kernel(note, place)


def digest(path: Path) -> str:
    """Return the digest of a file, as sha256:…."""
    with open(path, "rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def _paths(kernel: Kernel) -> list[Path]:
    return [kernel.image, *([kernel.modules] if kernel.modules else [])]


def _bring_to_medium(directory: Path) -> None:
    """Modules are hundreds of files: one call for all of them."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        syncfs(fd)
    finally:
        os.close(fd)


def _read(place: Path) -> _Note | None:
    """Return what is noted of a kernel, unless it is damaged: then it is fetched again."""
    try:
        note = msgspec.json.decode((place / _NOTE).read_bytes(), type=_Note)
        size_bytes = (place / note.image).stat().st_size
    except (FileNotFoundError, NotADirectoryError, msgspec.DecodeError):
        return None
    return note if size_bytes and size_bytes == (note.image_bytes or size_bytes) else None


def _kernel(note: _Note, place: Path) -> Kernel:
    modules = place / note.modules if note.modules else None
    return Kernel(note.release, note.architecture, place / note.image, modules, note.digest)


def _kept(place: Path) -> Kept | None:
    note = _read(place)
    try:
        created_s, used_s = (place / _NOTE).stat().st_mtime, place.stat().st_mtime
    except (FileNotFoundError, NotADirectoryError):
        return None
    if note is None:
        return None
    return Kept(place.name, _kernel(note, place), note.source, _size(place), created_s, used_s)


def _size(place: Path) -> int:
    return sum(
        os.lstat(os.path.join(folder, name)).st_size for folder, _, names in os.walk(place) for name in names
    )


def _version(release: str) -> list[int]:
    """Return what releases are compared by.

    >>> _version("6.12.9-cloud-amd64") < _version("6.12.117+deb13-cloud-amd64")
    True
    """
    return [int(number) for number in _NUMBERS.findall(release)]
