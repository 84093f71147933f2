"""How overlayfs writes down what a layer deletes, and which attributes are its own.

A whiteout is a character device 0:0, or, where mknod is refused, an empty file with the attribute
`user.overlay.whiteout` in a directory whose attribute `opaque` says "x". An opaque directory hides what lies
below it. In a user namespace the attributes begin with `user.overlay.` (mount option `userxattr`).
fuse-overlayfs also writes files with the names that layers have: `.wh.NAME` and `.wh..wh..opq`.
Source: Documentation/filesystems/overlayfs.rst, "whiteouts and opaque directories".
"""

from __future__ import annotations

import os
import stat

__all__ = [
    "OPAQUE_NAME",
    "WHITEOUT_PREFIX",
    "is_copied_up",
    "is_deleted",
    "is_full_host",
    "is_opaque",
    "is_own_attribute",
    "is_whiteout",
    "make_opaque",
    "make_whiteout",
]

_PREFIXES = ("trusted.overlay.", "user.overlay.")
WHITEOUT_PREFIX = b".wh."
OPAQUE_NAME = b".wh..wh..opq"
_OWN = (*_PREFIXES, "user.fuseoverlayfs.", "user.containers.override_stat")


def is_own_attribute(name: str) -> bool:
    """Tell whether an attribute steers an overlay: it must neither enter from an archive nor leave in one."""
    return name.startswith(_OWN)


def is_full_host() -> bool:
    """Tell whether this process is in the first user namespace, where `trusted.` attributes exist."""
    with open("/proc/self/uid_map") as file:
        return file.read().split() == ["0", "0", "4294967295"]


def _attribute(suffix: str) -> str:
    return _PREFIXES[not is_full_host()] + suffix


def is_opaque(directory: int) -> bool:
    """Tell whether an open directory hides the ones below it."""
    if any(_read(directory, prefix + "opaque") == b"y" for prefix in (*_PREFIXES, "user.fuseoverlayfs.")):
        return True
    return _exists(directory, OPAQUE_NAME)


def is_copied_up(fd: int) -> bool:
    """Tell whether an open file or directory of an upper directory came from a lower one."""
    return any(_read(fd, prefix + "origin") is not None for prefix in (*_PREFIXES, "user.fuseoverlayfs."))


def make_opaque(directory: int) -> None:
    """Let an open directory hide the ones below it."""
    os.setxattr(directory, _attribute("opaque"), b"y")


def is_whiteout(found: os.stat_result, parent: int, name: str | bytes) -> bool:
    """Tell whether an entry of an open directory stands for a deletion."""
    if stat.S_ISCHR(found.st_mode):
        return found.st_rdev == 0
    if not stat.S_ISREG(found.st_mode) or found.st_size or not _holds_attribute_whiteouts(parent):
        return False
    fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=parent)
    try:
        return any(_read(fd, prefix + "whiteout") is not None for prefix in _PREFIXES)
    finally:
        os.close(fd)


def is_deleted(parent: int, name: bytes) -> bool:
    """Tell whether an open directory that has no such entry stands for its deletion by another name."""
    return _exists(parent, WHITEOUT_PREFIX + name)


def _exists(parent: int, name: bytes) -> bool:
    try:
        os.stat(name, dir_fd=parent, follow_symlinks=False)
    except OSError:  # not there, or too long a name
        return False
    return True


def _holds_attribute_whiteouts(parent: int) -> bool:
    return any(_read(parent, prefix + "opaque") == b"x" for prefix in _PREFIXES)


def make_whiteout(parent: int, name: bytes) -> None:
    """Make an entry that stands for a deletion in an open directory that has none of this name.

    Raises: OSError where neither form is possible (before Linux 5.8 in a user namespace).
    """
    try:
        os.mknod(name, stat.S_IFCHR, 0, dir_fd=parent)
    except PermissionError:
        fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=parent)
        try:
            os.setxattr(fd, _attribute("whiteout"), b"")
        finally:
            os.close(fd)
        if not is_opaque(parent):
            os.setxattr(parent, _attribute("opaque"), b"x")


def _read(fd: int, name: str) -> bytes | None:
    try:
        return os.getxattr(fd, name)
    except OSError:
        return None
