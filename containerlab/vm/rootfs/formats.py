"""The formats of disks: which there are, and who makes each."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from containerlab.vm.rootfs import tools
from containerlab.vm.rootfs.ext4 import write as ext4
from containerlab.vm.rootfs.source import Source

__all__ = ["DISKS", "Disk"]


class Disk(NamedTuple):
    """A format of disks. write: fills an empty file, with so many bytes left free if the guest may write."""

    name: str
    write: Callable[[int, Source, int], None]
    is_writable: bool


DISKS = {
    disk.name: disk
    for disk in (
        Disk("ext4", ext4.write, True),
        Disk("erofs", tools.write_erofs, False),
        Disk("squashfs", tools.write_squashfs, False),
    )
}
