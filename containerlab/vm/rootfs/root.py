"""What a guest's root file system is."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

__all__ = ["Root"]


class Root(NamedTuple):
    """Where a guest finds its files.

    initrd: cpio archive with our first process and the modules that it loads; for initramfs with the whole
    image too. disk: image of a disk, None for initramfs. filesystem: initramfs, ext4, erofs or squashfs.
    is_writable: the guest may write to the disk (which is thrown away); else it lays a tmpfs above.
    """

    initrd: Path
    disk: Path | None
    filesystem: str
    is_writable: bool
