"""Mounts as data, and the doing of them."""

from __future__ import annotations

import os
from typing import NamedTuple

from containerlab.linux import syscalls

__all__ = ["FLAGS", "PROPAGATION", "Mount", "mount_at", "split_options"]

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_NOATIME, MS_NODIRATIME, MS_BIND, MS_MOVE, MS_REC = 0x400, 0x800, 0x1000, 0x2000, 0x4000
MS_UNBINDABLE, MS_PRIVATE, MS_SLAVE, MS_SHARED = 1 << 17, 1 << 18, 1 << 19, 1 << 20
MS_RELATIME, MS_STRICTATIME = 1 << 21, 1 << 24
MNT_DETACH = 2

FLAGS = {
    "ro": MS_RDONLY,
    "nosuid": MS_NOSUID,
    "nodev": MS_NODEV,
    "noexec": MS_NOEXEC,
    "noatime": MS_NOATIME,
    "nodiratime": MS_NODIRATIME,
    "relatime": MS_RELATIME,
    "strictatime": MS_STRICTATIME,
    "bind": MS_BIND,
    "rbind": MS_BIND | MS_REC,
}
"""Mount options that are flags of mount(2); all others are data for the file system."""

PROPAGATION = {
    "private": MS_PRIVATE,
    "rprivate": MS_PRIVATE | MS_REC,
    "slave": MS_SLAVE,
    "rslave": MS_SLAVE | MS_REC,
    "shared": MS_SHARED,
    "rshared": MS_SHARED | MS_REC,
    "unbindable": MS_UNBINDABLE,
    "runbindable": MS_UNBINDABLE | MS_REC,
}


class Mount(NamedTuple):
    """A mount as data: what a snapshot, a volume or a specification asks for and the runtime performs.

    source: a path, or what the file system calls its source.
    target: a path; below the root file system for those of a container.
    fstype: "overlay", "bind", "tmpfs", "proc" …
    options: as in fstab; names of `FLAGS` and `PROPAGATION` become flags, the rest data.
    """

    source: str
    target: str
    fstype: str
    options: tuple[str, ...] = ()


def mount_at(mount: Mount, target: str) -> None:
    """Perform a mount of a file system on a directory, whatever its own target is.

    The paths in the options of an overlay whose source is an absolute path are relative to that directory,
    since they all must fit into a page: mount(2). Afterwards the working directory is /.
    """
    if mount.fstype == "overlay" and mount.source.startswith("/"):
        os.chdir(mount.source)
    flags, data = split_options(mount)
    syscalls.mount(mount.source, target, mount.fstype, flags, data)
    os.chdir("/")


def split_options(mount: Mount) -> tuple[int, str]:
    """Return the flags and the data of mount(2)."""
    flags, data = 0, []
    for option in mount.options:
        if option in FLAGS:
            flags |= FLAGS[option]
        elif option not in ("rw", "defaults"):
            data.append(option)
    return flags, ",".join(data)
