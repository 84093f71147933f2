"""What a guest's root file system is."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from containerlab.vm.kernel.kernel import Kernel

__all__ = ["FILESYSTEMS", "Root", "least_memory_bytes"]

FILESYSTEMS = ("ext4", "erofs", "squashfs", "initramfs", "virtiofs")
_MIB = 1 << 20


class Root(NamedTuple):
    """Where a guest finds its files.

    initrd: cpio archive with our first process and the modules that it loads; for initramfs with the whole
    image too. disk: image of a disk, None for initramfs and virtiofs. filesystem: one of `FILESYSTEMS`.
    is_writable: the guest may write to the disk (which is thrown away); else it lays a tmpfs above.
    """

    initrd: Path
    disk: Path | None
    filesystem: str
    is_writable: bool


def least_memory_bytes(root: Root, kernel: Kernel) -> int:
    """Return how much memory a guest must have to start: less, and its kernel does not come up.

    While the kernel unpacks an archive, both the archive and its files are in memory; the uncompressed kernel
    is there, too.
    """
    return _ALONE_BYTES + kernel.image.stat().st_size + 2 * root.initrd.stat().st_size


_ALONE_BYTES = 32 * _MIB
