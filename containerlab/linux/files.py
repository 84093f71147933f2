"""Files that are whole or not there, and trees that go away."""

from __future__ import annotations

import errno
import os
import stat

__all__ = ["remove_tree", "write_atomically"]


def write_atomically(path: str, content: bytes, mode: int = 0o600) -> None:
    """Write a file under a temporary name and rename it, so that a reader sees the old or the new one.

    Not synchronised to the medium: what it is for (the state of processes) ends with the kernel anyway.
    """
    temporary = f"{path}.{os.getpid()}"
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    try:
        os.write(fd, content)
    finally:
        os.close(fd)
    os.rename(temporary, path)


def remove_tree(path: str, dir_fd: int | None = None) -> None:
    """Remove a directory and all in it, by descriptors and without following a link.

    Directories that deny their owner (overlay's work directory) are opened up first.
    Raises: PermissionError where files belong to other ids.
    """
    try:
        os.rmdir(path, dir_fd=dir_fd)  # most directories of a short-lived container are empty
        return
    except FileNotFoundError:
        return
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
    fd = _open_directory(path, dir_fd)
    try:
        with os.scandir(fd) as entries:
            names = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
        for name, is_directory in names:
            if is_directory:
                remove_tree(name, fd)
            else:
                os.unlink(name, dir_fd=fd)
    finally:
        os.close(fd)
    os.rmdir(path, dir_fd=dir_fd)


def _open_directory(path: str, dir_fd: int | None) -> int:
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    if os.geteuid() != 0:
        mode = os.stat(path, dir_fd=dir_fd, follow_symlinks=False).st_mode
        if stat.S_ISDIR(mode) and mode & 0o700 != 0o700:
            os.chmod(path, mode | 0o700, dir_fd=dir_fd)
    return os.open(path, flags, dir_fd=dir_fd)
