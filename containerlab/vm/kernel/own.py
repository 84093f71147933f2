"""The kernel that a user names by path.

Accepted are a kernel's image (bzImage or vmlinux for x86_64; Image, Image.gz or EFI's zboot for aarch64),
a Debian package with one, and a directory that has one: by itself or in `boot` (an unpacked package), as a
distribution keeps it in /lib/modules/RELEASE, or as a kernel's sources have it after `make`. Modules are
looked for beside the image, then in /lib/modules/RELEASE of this host.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from containerlab import errors
from containerlab.store.home import Home
from containerlab.vm.kernel import cache, deb, image
from containerlab.vm.kernel.kernel import Kernel

__all__ = ["kernel"]

_NAMES = ("vmlinuz", "vmlinux", "bzImage", "Image", "Image.gz")
_FOLDERS = (".", "boot", "arch/x86/boot", "arch/arm64/boot")


def kernel(home: Home, path: str, architecture: str) -> Kernel:
    """Return the kernel at a path; what must be unpacked for that is kept in the cache.

    Raises: NotFound, InvalidInput, CorruptContent, Unsupported, NotPermitted; Unavailable on a full disk.
    """
    try:
        found = _file(Path(os.path.realpath(os.path.expanduser(path))))
        kernel_id = _id(found)
        known = cache.of(home, kernel_id)
        if known is None or not known.image.exists():
            with cache.locked(home):
                known = _kept(home, kernel_id, found)
        if not _is_package(found):  # modules may have come or gone meanwhile
            known = known._replace(modules=_modules(found, known.release))
    except OSError as error:
        if isinstance(error, errors.LabError):
            raise
        raise errors.of_the_system(error, f"use the kernel {path}") from error
    if known.architecture != architecture:
        raise errors.InvalidInput(
            f"the kernel {path} is for {known.architecture}, and the guest is to be {architecture}",
            "give a kernel for it",
        )
    return known


def _file(path: Path) -> Path:
    """Return the file of a kernel: the path itself, or what lies in that directory."""
    if not path.exists():
        raise errors.NotFound(
            f"there is no kernel {path}", "give its file, or a release that `conlab vm kernel ls` shows"
        )
    if not path.is_dir():
        return path
    for folder in _FOLDERS:
        for pattern in [*_NAMES, "vmlinuz-*", "vmlinux-*", "*.deb"]:
            found = sorted(each for each in (path / folder).glob(pattern) if each.is_file())
            if len(found) > 1:
                names = ", ".join(each.name for each in found[:4])
                raise errors.InvalidInput(f"{path} has several kernels ({names})", "name one of them")
            if found:
                return found[0].resolve()
    raise errors.NotFound(f"there is no kernel in {path}", f"it must have one of {', '.join(_NAMES)}")


def _id(path: Path) -> str:
    """Return what changes with the file: to read it all each time would cost a tenth of a second."""
    status = path.stat()
    stamp = f"{path}\0{status.st_ino}\0{status.st_size}\0{status.st_mtime_ns}"
    return f"{cache.OWN}{hashlib.sha256(os.fsencode(stamp)).hexdigest()[:24]}"


def _kept(home: Home, kernel_id: str, path: Path) -> Kernel:
    with home.scratch("kernel-") as scratch:
        made = scratch / "made"
        made.mkdir()
        read = _of_package(path, made) if _is_package(path) else _of_image(path, made)
        return cache.keep(home, kernel_id, made, read, str(path))


def _is_package(path: Path) -> bool:
    with open(path, "rb") as file:
        return file.read(len(deb.MAGIC)) == deb.MAGIC


def _of_package(path: Path, made: Path) -> Kernel:
    return unpacked([path], made)


def unpacked(packages: list[Path], made: Path) -> Kernel:
    """Unpack the packages of a kernel into a directory, and return the kernel as it is there."""
    deb.unpack(packages, made)
    read = image.read(made / "vmlinuz")
    (made / "vmlinuz").unlink()
    return _written(read, made)


def _written(read: image.Image, made: Path) -> Kernel:
    (made / "image").write_bytes(read.content)
    modules = made / "modules"
    return Kernel(
        read.release,
        read.architecture,
        made / "image",
        modules if modules.is_dir() else None,
        f"sha256:{hashlib.sha256(read.content).hexdigest()}",
    )


def _of_image(path: Path, made: Path) -> Kernel:
    read = image.read(path)
    kept = _written(read, made)
    if path.stat().st_size == len(read.content):  # uncompressed as it is: machines share its pages
        kept.image.unlink()
        return kept._replace(image=path)
    return kept


def _modules(path: Path, release: str) -> Path | None:
    """Return the directory of a kernel's modules, None when there is none."""
    beside = (path.parent, path.parent.parent)
    places = [folder / lib / "modules" / release for folder in beside for lib in ("lib", "usr/lib")]
    places += [path.parent, path.parent / "modules", Path("/lib/modules") / release]
    return next((place for place in places if (place / "modules.builtin").exists()), None)
