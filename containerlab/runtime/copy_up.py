"""A tmpfs that begins with what the image has at its place (the mount option `tmpcopyup`)."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence

from containerlab.linux import syscalls
from containerlab.runtime.rootfs import Scene, new_filesystem, refuse_in_proc

__all__ = ["mount_copied"]

_ONTO = syscalls.MOVE_MOUNT_F_EMPTY_PATH | syscalls.MOVE_MOUNT_T_EMPTY_PATH
_CHUNK_BYTES = 1 << 20


def mount_copied(scene: Scene, target: str, source: str, attributes: int, options: Sequence[str]) -> None:
    """Mount a tmpfs over a directory with the directory's contents in it."""
    mounted = new_filesystem("tmpfs", source, 0, options)
    place = scene.make(target, directory=True)
    refuse_in_proc(scene, place, target)
    original = os.open(f"/proc/self/fd/{place}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    copied = os.open(f"/proc/self/fd/{mounted}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    if not any(option.startswith("mode=") for option in options):
        _copy_owner(os.fstat(original), copied)
    _copy_directory(original, copied)
    if attributes:
        syscalls.mount_setattr(mounted, "", syscalls.AT_EMPTY_PATH, set=attributes)
    syscalls.move_mount(mounted, "", place, "", _ONTO)
    for fd in (mounted, place, original, copied):
        os.close(fd)


def _copy_directory(source: int, target: int) -> None:
    with os.scandir(source) as entries:
        names = [entry.name for entry in entries]
    for name in names:
        status = os.stat(name, dir_fd=source, follow_symlinks=False)
        if stat.S_ISDIR(status.st_mode):
            _copy_subdirectory(name, status, source, target)
        elif stat.S_ISREG(status.st_mode):
            _copy_file(name, status, source, target)
        elif stat.S_ISLNK(status.st_mode):
            os.symlink(os.readlink(name, dir_fd=source), name, dir_fd=target)
            os.chown(name, status.st_uid, status.st_gid, dir_fd=target, follow_symlinks=False)
        else:
            os.mknod(name, status.st_mode, status.st_rdev, dir_fd=target)
            os.chown(name, status.st_uid, status.st_gid, dir_fd=target, follow_symlinks=False)


def _copy_subdirectory(name: str, status: os.stat_result, source: int, target: int) -> None:
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    os.mkdir(name, 0o700, dir_fd=target)
    below_source = os.open(name, flags, dir_fd=source)
    below_target = os.open(name, flags, dir_fd=target)
    _copy_directory(below_source, below_target)
    _copy_owner(status, below_target)
    os.close(below_source)
    os.close(below_target)


def _copy_file(name: str, status: os.stat_result, source: int, target: int) -> None:
    reader = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=source)
    writer = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=target)
    while chunk := os.read(reader, _CHUNK_BYTES):
        os.write(writer, chunk)
    _copy_owner(status, writer)
    os.close(reader)
    os.close(writer)


def _copy_owner(status: os.stat_result, fd: int) -> None:
    os.fchown(fd, status.st_uid, status.st_gid)
    os.fchmod(fd, stat.S_IMODE(status.st_mode))  # after the owner, for chown takes setuid bits away
