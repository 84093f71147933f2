"""Who owns files where the kernel knows but one id: noted beside them, for layers to tell.

A file or directory has the extended attribute `user.containers.override_stat`: "UID:GID:MODE". That mode, in
octal, is not heeded here, for the file has its own. Links, pipes and devices cannot have such attributes:
a container notes them in a table, by inode. What is not noted belongs to 0:0.
Source: containers/storage, pkg/idtools; fuse-overlayfs. Only the standard library.
"""

from __future__ import annotations

import contextlib
import os
from typing import NamedTuple

__all__ = [
    "ATTRIBUTE",
    "ROOT",
    "TABLE_NAME",
    "Owner",
    "Table",
    "forget",
    "has_single_id",
    "read",
    "read_at",
    "write",
]

ATTRIBUTE = "user.containers.override_stat"
TABLE_NAME = "owners"
"""Of the table in a container's directory."""


class Owner(NamedTuple):
    """Ids as in the container."""

    uid: int
    gid: int


ROOT = Owner(0, 0)


def has_single_id() -> bool:
    """Say whether this process is in a user namespace with one user id."""
    with open("/proc/self/uid_map") as file:
        lines = file.read().splitlines()
    return len(lines) == 1 and lines[0].split()[2] == "1"


def read(file: int | str | bytes) -> Owner | None:
    """Return what is noted beside a file or directory, links followed."""
    try:
        return _parse(os.getxattr(file, ATTRIBUTE))
    except OSError:
        return None


def read_at(directory: int, name: bytes) -> Owner | None:
    """Return what is noted beside a file or directory in an open directory; a link is not followed."""
    try:
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=directory)
    except OSError:
        return None
    try:
        return read(fd)
    finally:
        os.close(fd)


def _parse(raw: bytes) -> Owner | None:
    """Return the owner; None for what a program wrote there that means nothing."""
    uid, _, rest = raw.partition(b":")
    gid = rest.partition(b":")[0]
    if not (uid.isdigit() and gid.isdigit() and len(uid) <= 10 and len(gid) <= 10):
        return None
    owner = Owner(int(uid), int(gid))
    return owner if max(owner) < 0xFFFFFFFF else None


def write(file: int | str, owner: Owner, mode: int) -> None:
    """Note the owner of a file or directory, links followed."""
    os.setxattr(file, ATTRIBUTE, b"%d:%d:0%o" % (*owner, mode & 0o7777))


def forget(file: int | str) -> None:
    """Let a file or directory belong to 0:0."""
    with contextlib.suppress(OSError):
        os.removexattr(file, ATTRIBUTE)


class Table:
    """Owners of what can have no attributes, in a file that several processes add to.

    A line is "INODE UID GID TARGET", the target in hexadecimal: an inode's number is used again.
    """

    def __init__(self, path: str, *, writing: bool = False) -> None:
        self._owners: dict[tuple[int, bytes], Owner] = {}
        self._read = 0
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND if writing else os.O_RDONLY
        try:
            self._fd = os.open(path, flags | os.O_CLOEXEC, 0o600) if path else -1
        except FileNotFoundError:
            self._fd = -1

    @property
    def descriptor(self) -> int:
        return self._fd

    def get(self, inode: int, target: bytes) -> Owner | None:
        """Return the owner of a link to `target`, or of what is no link."""
        self._refresh()
        return self._owners.get((inode, target))

    def put(self, inode: int, target: bytes, owner: Owner) -> None:
        """Note an owner."""
        if self._fd >= 0:
            os.write(self._fd, b"%d %d %d %s\n" % (inode, *owner, target.hex().encode()))

    def _refresh(self) -> None:
        size = os.fstat(self._fd).st_size if self._fd >= 0 else 0
        if size <= self._read:
            return
        content = os.pread(self._fd, size - self._read, self._read)
        whole = content[: content.rfind(b"\n") + 1]
        self._read += len(whole)
        for line in whole.splitlines():
            inode, uid, gid, target = line.split(b" ")
            self._owners[int(inode), bytes.fromhex(target.decode())] = Owner(int(uid), int(gid))
