"""Mounts as data, and the doing of them."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["FLAGS", "PROPAGATION", "Mount"]

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
