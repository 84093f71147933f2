"""Files that are whole or not there, and trees that go away."""

from __future__ import annotations

import _thread
import contextlib
import errno
import os
import stat
from collections.abc import Iterator

__all__ = [
    "append",
    "fill_stdio",
    "is_full",
    "missing_where_full",
    "read_whole",
    "remove_content",
    "remove_tree",
    "sync_directory",
    "write_all",
    "write_atomically",
    "write_file",
    "write_over",
]

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def read_whole(path: str) -> bytes:
    """Return what a small file holds, by four system calls instead of the ten of a file object."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        content = piece = os.read(fd, 65536)
        while piece:
            piece = os.read(fd, 65536)
            content += piece
        return content
    finally:
        os.close(fd)


def write_atomically(path: str, content: bytes, mode: int = 0o600, *, durable: bool = False) -> None:
    """Write a file under a temporary name and rename it, so that a reader sees the old or the new one.

    durable: after a power cut too. What only tells of processes need not be: it ends with the kernel anyway.
    """
    temporary = f"{path}.{os.getpid()}-{_thread.get_ident()}"
    write_file(temporary, content, mode, durable=durable)
    os.rename(temporary, path)
    if durable:
        sync_directory(os.path.dirname(path))


def write_file(path: str, content: bytes, mode: int, *, durable: bool = False) -> None:
    """Write a file; none is left when the disk has no room for all of it."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    try:
        write_all(fd, content)
        if durable:
            os.fsync(fd)
    except OSError:
        os.unlink(path)
        raise
    finally:
        os.close(fd)


def write_over(path: str, content: bytes) -> None:
    """Write text into the blocks that a file has, and blanks where there was more; a crash can tear it."""
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        write_all(fd, content.ljust(os.fstat(fd).st_size))
        os.fsync(fd)
    finally:
        os.close(fd)


def append(path: str, line: bytes) -> None:
    """Add a line to a file, made if need be; lines below a page are never torn by those of others."""
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.write(fd, line)
    finally:
        os.close(fd)


@contextlib.contextmanager
def missing_where_full() -> Iterator[None]:
    """Do without what a full disk has no room for, rather than fail."""
    try:
        yield
    except OSError as error:
        if not is_full(error):
            raise


def is_full(error: OSError) -> bool:
    """Say whether it was the room on a disk that was missing."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


def sync_directory(path: str) -> None:
    """Bring the names in a directory to the medium."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def fill_stdio() -> None:
    """Open what is missing of the descriptors 0 to 2, for whatever opens next would take its place."""
    while (fd := os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)) <= 2:
        os.set_inheritable(fd, True)
    os.close(fd)


def write_all(descriptor: int, data: bytes | memoryview) -> None:
    """Write all of it, however little a pipe takes at once."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def remove_tree(path: str | bytes | os.PathLike[str], dir_fd: int | None = None) -> None:
    """Remove a directory and all in it if it is there, by descriptors and without following a link.

    Raises: PermissionError where it belongs to other ids.
    """
    try:
        os.rmdir(path, dir_fd=dir_fd)  # most directories of a short-lived container are empty
        return
    except FileNotFoundError:
        return
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
    fd = _open(path, dir_fd)
    try:
        remove_content(fd)
    finally:
        os.close(fd)
    os.rmdir(path, dir_fd=dir_fd)


def remove_content(top: int) -> None:
    """Empty an open directory.

    Each directory in it is first moved to the top, so that no depth exhausts descriptors or the stack.
    """
    count = 0
    pending = _clear(top)
    while pending:
        name = pending.pop()
        fd = _open(name, top)
        try:
            for child in _clear(fd):
                count += 1
                moved = b".gone-%d-%d" % (os.getpid(), count)
                os.chmod(child, 0o700, dir_fd=fd)  # moving a directory writes its `..`
                os.rename(child, moved, src_dir_fd=fd, dst_dir_fd=top)
                pending.append(moved)
        finally:
            os.close(fd)
        os.rmdir(name, dir_fd=top)


def _clear(directory: int) -> list[bytes]:
    """Remove all but directories, and empty directories; return the names of what remains."""
    remaining = []
    with os.scandir(directory) as entries:
        names = [(os.fsencode(entry.name), entry.is_dir(follow_symlinks=False)) for entry in entries]
    for name, is_directory in names:
        if not is_directory:
            os.unlink(name, dir_fd=directory)
        elif not _is_removed(name, directory):
            remaining.append(name)
    return remaining


def _is_removed(name: bytes, directory: int) -> bool:
    try:
        os.rmdir(name, dir_fd=directory)
    except OSError:
        return False
    return True


def _open(path: str | bytes | os.PathLike[str], dir_fd: int | None) -> int:
    """Open a directory that may deny even its owner, as overlay's work directory does."""
    mode = os.stat(path, dir_fd=dir_fd, follow_symlinks=False).st_mode
    if stat.S_ISDIR(mode) and mode & 0o700 != 0o700 and os.geteuid() != 0:
        os.chmod(path, 0o700, dir_fd=dir_fd)
    return os.open(path, _DIRECTORY, dir_fd=dir_fd)
