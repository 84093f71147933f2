"""An image and a kernel become what a guest starts from, made once and kept."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
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
from containerlab.vm.rootfs.source import Grounded, Source, check
from containerlab.vm.tiers import Tier

__all__ = ["Wishes", "bare", "prepare"]

_MIB = 1 << 20
_MOST_IN_MEMORY_BYTES = 100 * _MIB
_VERSION = 2
"""Part of the names of what is kept; higher when the same image comes to give other bytes."""


def _ignore(sentence: str) -> None:
    """Nobody listens."""


class Wishes(NamedTuple):
    """What a guest is to have beside its image.

    needs: words of `vm/kernel/needs` for devices that it has beside its channel and its disk.
    modules: more modules of the kernel, by their names, to load before anything else happens.
    free_bytes: room on a disk that it may write to. say: takes sentences about what cannot be kept.
    ground: image with an init of its own, in which the image is to lie as a directory.
    """

    needs: Sequence[str] = ("net",)
    modules: Sequence[str] = ()
    free_bytes: int = 1024 * _MIB
    say: Callable[[str], None] = _ignore
    ground: Image | None = None


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
    with _explained():
        return _Preparation(home, image, kernel, tier, wishes).root(filesystem)


def bare(home: Home, kernel: Kernel, tier: Tier) -> Root:
    """Return what a guest without an image starts from: our first process, and its channel.

    Raises: Unavailable when the disk is full.
    """
    with _explained():
        return Root(_Boot(home, kernel, tier).archive(()), None, "initramfs", True)


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if isinstance(error, errors.LabError):
            raise
        raise errors.of_the_system(error, "cannot make a root file system") from error


class _Boot:
    """The archives that guests of a kernel and a tier start from."""

    def __init__(self, home: Home, kernel: Kernel, tier: Tier, more_modules: Sequence[str] = ()) -> None:
        self._home, self._kernel, self._more_modules = home, kernel, more_modules
        is_micro = tier.machine == "microvm" and kernel.architecture == "x86_64"
        self._bus = "virtio-mmio" if is_micro else "virtio-pci"
        self._init = _init(kernel)

    def archive(self, needs: Sequence[str]) -> Path:
        """Return the archive with our first process and the modules for what a guest has, and no image."""
        return Shelf(self._home).kept(
            f"{self.key(needs)}.cpio", lambda fd: write_all(fd, self.content(needs))
        )

    def key(self, needs: Sequence[str]) -> str:
        """Return what an archive is found by again: all that goes into it, but an image."""
        digest = hashlib.sha256(self._init)
        words = [str(_VERSION), self._kernel.digest, self._kernel.release, *self._modules(needs)]
        digest.update(" ".join(words).encode())
        return digest.hexdigest()[:32]

    def content(self, needs: Sequence[str]) -> bytes:
        """Return the archive."""
        return initramfs.boot_part(self._init, modules.load_order(self._kernel, self._modules(needs)))

    def _modules(self, needs: Sequence[str]) -> tuple[str, ...]:
        return (*kernel_needs.modules(self._bus, "console", *needs), *self._more_modules)


class _Preparation:
    """What is asked for, and the image's files, read only if something must be made."""

    def __init__(self, home: Home, image: Image, kernel: Kernel, tier: Tier, wishes: Wishes) -> None:
        self._tier, self._wishes = tier, wishes
        self._boot = _Boot(home, kernel, tier, wishes.modules)
        self._shelf = Shelf(home, image.id)
        blobs, ground = Blobs(home), wishes.ground
        self._source = Grounded(blobs, ground.layers, image.layers) if ground else Source(blobs, image.layers)

    def root(self, filesystem: str) -> Root:
        """Return what the guest starts from."""
        is_micro = self._tier.machine == "microvm"
        filesystem = filesystem or ("initramfs" if is_micro and self._fits_memory() else "ext4")
        if filesystem == "initramfs":
            return Root(self._with_image(), None, filesystem, True)
        if filesystem == "virtiofs":
            needs = (filesystem, "overlay", *self._wishes.needs)
            return Root(self._boot.archive(needs), None, filesystem, False)
        is_writable = DISKS[filesystem].is_writable and not is_micro
        overlay = () if is_writable else ("overlay",)
        archive = self._boot.archive(("block", filesystem, *overlay, *self._wishes.needs))
        return Root(archive, self._disk(filesystem), filesystem, is_writable)

    def _fits_memory(self) -> bool:
        """Tell whether the image is so small that it had better be in the guest's memory."""
        path = self._shelf.kept("bytes", lambda fd: write_all(fd, b"%d" % self._source.content_bytes))
        return int(path.read_bytes()) <= _MOST_IN_MEMORY_BYTES

    def _disk(self, filesystem: str) -> Path:
        disk, free_bytes = DISKS[filesystem], self._wishes.free_bytes
        name = f"{filesystem}-{_VERSION}" + (f"-{free_bytes // _MIB}" if disk.is_writable else "")
        if self._wishes.ground:
            name += f"-in-{self._wishes.ground.id.removeprefix('sha256:')[:12]}"
        return self._shelf.kept(name, lambda fd: disk.write(fd, self._source, free_bytes))

    def _with_image(self) -> Path:
        name = f"initramfs-{self._boot.key(self._wishes.needs)}.cpio"
        return self._shelf.kept(name, self._write_all)

    def _write_all(self, fd: int) -> None:
        if any(node.entry.xattrs for node in self._source.tree.nodes):
            self._wishes.say("attributes of files, as capabilities, are not kept in an initramfs")
        write_all(fd, self._boot.content(self._wishes.needs))
        for piece in batched(initramfs.image_part(self._source)):
            write_all(fd, piece)


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
