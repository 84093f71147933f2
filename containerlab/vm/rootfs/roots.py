"""An image and a kernel become what a guest starts from, made once and kept."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from containerlab import errors
from containerlab.linux.files import write_all
from containerlab.store.blobs import Blobs
from containerlab.store.home import Home
from containerlab.store.images import Image
from containerlab.store.tar_copy import batched
from containerlab.vm import guest
from containerlab.vm.guest import layout
from containerlab.vm.kernel import modules
from containerlab.vm.kernel import needs as kernel_needs
from containerlab.vm.kernel.kernel import Kernel
from containerlab.vm.rootfs import initramfs
from containerlab.vm.rootfs.cache import Shelf
from containerlab.vm.rootfs.formats import DISKS
from containerlab.vm.rootfs.root import FILESYSTEMS, Root
from containerlab.vm.rootfs.source import Source, check
from containerlab.vm.tiers import Tier

__all__ = ["Wishes", "prepare"]

_MIB = 1 << 20
_MOST_IN_MEMORY_BYTES = 100 * _MIB
_VERSION = 1
"""Part of the names of what is kept; higher when the same image comes to give other bytes."""


def _ignore(sentence: str) -> None:
    """Nobody listens."""


class Wishes(NamedTuple):
    """What a guest is to have beside its image.

    needs: words of `vm/kernel/needs` for devices that it has beside its channel and its disk.
    free_bytes: room on a disk that it may write to. say: takes sentences about what cannot be kept.
    """

    needs: Sequence[str] = ("net",)
    free_bytes: int = 1024 * _MIB
    say: Callable[[str], None] = _ignore


_USUAL = Wishes()


def prepare(
    home: Home, image: Image, kernel: Kernel, tier: Tier, filesystem: str = "", wishes: Wishes = _USUAL
) -> Root:
    """Return what a guest of a tier starts from; what is missing of it is made, and kept.

    filesystem: one of `FILESYSTEMS`; by default what suits the tier and the size of the image.

    Raises: Unsupported for an image that the kernel cannot run, or for a file system that cannot be made
        here; InvalidInput for one that there is not; NotFound, CorruptContent, HostileArchive for a damaged
        image; Unavailable when the disk is full.
    """
    check(image, kernel)
    if filesystem and filesystem not in FILESYSTEMS:
        raise errors.InvalidInput(
            f"there is no file system {filesystem!r} for guests",
            errors.nearest(filesystem, FILESYSTEMS) or f"choose one of {', '.join(FILESYSTEMS)}",
        )
    try:
        return _Preparation(home, image, kernel, tier, wishes).root(filesystem)
    except OSError as error:
        if isinstance(error, errors.LabError):
            raise
        raise errors.of_the_system(error, "cannot make a root file system") from error


class _Preparation:
    """What is asked for, and the image's files, read only if something must be made."""

    def __init__(self, home: Home, image: Image, kernel: Kernel, tier: Tier, wishes: Wishes) -> None:
        self._home, self._kernel, self._tier, self._wishes = home, kernel, tier, wishes
        self._shelf = Shelf(home, image.id)
        self._source = Source(Blobs(home), image.layers)

    def root(self, filesystem: str) -> Root:
        is_micro = self._tier.machine == "microvm"
        filesystem = filesystem or ("initramfs" if is_micro and self._fits_memory() else "ext4")
        if filesystem == "initramfs":
            return Root(self._with_image(), None, filesystem, True)
        is_writable = DISKS[filesystem].is_writable and not is_micro
        needs = [filesystem] if is_writable else [filesystem, "overlay"]
        return Root(self._boot_archive("block", *needs), self._disk(filesystem), filesystem, is_writable)

    def _fits_memory(self) -> bool:
        """Tell whether the image is so small that it had better be in the guest's memory."""
        path = self._shelf.kept("bytes", lambda fd: write_all(fd, b"%d" % self._source.content_bytes))
        return int(path.read_bytes()) <= _MOST_IN_MEMORY_BYTES

    def _disk(self, filesystem: str) -> Path:
        free_bytes = self._wishes.free_bytes
        name = f"{filesystem}-{_VERSION}-{free_bytes // _MIB}"
        return self._shelf.kept(name, lambda fd: DISKS[filesystem].write(fd, self._source, free_bytes))

    def _boot_archive(self, *needs: str) -> Path:
        """Return the archive with our first process and the modules for the guest's devices, and no image."""
        names = self._modules(needs)
        return Shelf(self._home).kept(
            f"{self._key(names)}.cpio", lambda fd: write_all(fd, self._boot_part(names))
        )

    def _with_image(self) -> Path:
        names = self._modules(())
        return self._shelf.kept(f"initramfs-{self._key(names)}.cpio", lambda fd: self._write_all(fd, names))

    def _write_all(self, fd: int, names: Sequence[str]) -> None:
        if any(node.entry.xattrs for node in self._source.tree.nodes):
            self._wishes.say("extended attributes of files, as capabilities, are not kept in an initramfs")
        write_all(fd, self._boot_part(names))
        for piece in batched(initramfs.image_part(self._source)):
            write_all(fd, piece)

    def _modules(self, needs: Iterable[str]) -> tuple[str, ...]:
        """Return the names of the modules for the bus, the channel, and what else is needed."""
        is_micro = self._tier.machine == "microvm" and self._kernel.architecture == "x86_64"
        bus = "virtio-mmio" if is_micro else "virtio-pci"
        return kernel_needs.modules(bus, "console", *needs, *self._wishes.needs)

    def _key(self, names: Sequence[str]) -> str:
        """Return what an archive is found by again: all that goes into it, but an image."""
        digest = hashlib.sha256(_init(self._kernel))
        digest.update(" ".join([str(_VERSION), self._kernel.digest, self._kernel.release, *names]).encode())
        return digest.hexdigest()[:32]

    def _boot_part(self, names: Sequence[str]) -> bytes:
        return initramfs.boot_part(_init(self._kernel), modules.load_order(self._kernel, names))


def _init(kernel: Kernel) -> bytes:
    """Return the program that is a guest's first process.

    Raises: Unsupported for a processor that there is none for.
    """
    name = layout.binary(kernel.architecture)
    try:
        with open(os.path.join(os.path.dirname(guest.__file__), name), "rb") as file:
            return file.read()
    except FileNotFoundError as error:
        raise errors.Unsupported(f"there are no guests with a processor {kernel.architecture}") from error
