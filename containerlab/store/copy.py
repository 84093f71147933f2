"""Copy layers, one over the other, into one directory: a file system where no overlay works.

Only the standard library: runs as a process in the user namespace whose ids the files have.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Sequence
from pathlib import Path

from containerlab.linux import syscalls
from containerlab.linux.files import remove_content, remove_tree
from containerlab.store import merged, overlay, ownership

__all__ = ["copy_over", "main"]

_OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_OPEN_SOURCE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_WITHOUT_LINKS = syscalls.RESOLVE_BENEATH | syscalls.RESOLVE_NO_SYMLINKS
_CHUNK = 1 << 30
_NOT_PERMITTED = (errno.EPERM, errno.EACCES, errno.EINVAL, errno.ENOTSUP)


def main(words: Sequence[str]) -> int:
    """Perform `layers TARGET LOWEST … TOPMOST` or `content TARGET PATH TOPMOST … LOWEST`.

    The second copies what the merged layers have in the directory PATH, if they have it.
    """
    what, target, *rest = words
    os.umask(0)
    root = os.open(target, _OPEN_DIRECTORY)
    if what == "layers":
        for layer in rest:
            copy_over(os.open(layer, _OPEN_DIRECTORY), root)
        return 0
    path, *layers = rest
    with merged.opened([Path(layer) for layer in layers]) as (roots, keep):
        match = merged.find(roots, path, keep)
        for directory in reversed(match[0].directories) if match else ():
            copy_over(directory, root)
    return 0


def copy_over(source: int, target: int) -> None:
    """Apply an open overlay layer to an open directory: what it deletes goes, what it has is copied."""
    copier = _Copier(source, target)
    copier.copy()


class _Copier:
    def __init__(self, source: int, target: int) -> None:
        self._source = source
        self._target = target
        self._first_names: dict[tuple[int, int], bytes] = {}

    def copy(self) -> None:
        pending = [b"."]
        done = []
        while pending:
            path = pending.pop()
            source = syscalls.openat2(self._source, path, _OPEN_DIRECTORY, 0, _WITHOUT_LINKS)
            target = syscalls.openat2(self._target, path, _OPEN_DIRECTORY, 0, _WITHOUT_LINKS)
            try:
                below = self._directory(path, source, target)
                done.append((path, os.fstat(source).st_mtime_ns))
            finally:
                os.close(source)
                os.close(target)
            pending += [path + b"/" + name for name in below]
        for path, mtime_ns in reversed(done):  # when nothing is put into them any more
            os.utime(path, ns=(mtime_ns, mtime_ns), dir_fd=self._target)

    def _directory(self, path: bytes, source: int, target: int) -> list[bytes]:
        """Copy all of a directory but its directories, whose names are returned."""
        if path != b"." and overlay.is_opaque(source):
            remove_content(target)
        _copy_attributes(source, target, os.fstat(source))
        below = []
        for name in map(os.fsencode, os.listdir(source)):
            found = os.stat(name, dir_fd=source, follow_symlinks=False)
            if overlay.is_whiteout(found, source, name):
                _make_room(target, name)
            elif stat.S_ISDIR(found.st_mode):
                _make_directory(target, name)
                below.append(name)
            else:
                _make_room(target, name)
                self._entry(path, name, found, (source, target))
        return below

    def _entry(self, path: bytes, name: bytes, found: os.stat_result, where: tuple[int, int]) -> None:
        source, target = where
        full = path + b"/" + name
        first = self._first_names.setdefault((found.st_dev, found.st_ino), full)
        if first != full:
            os.link(first, name, src_dir_fd=self._target, dst_dir_fd=target, follow_symlinks=False)
        elif stat.S_ISREG(found.st_mode):
            _copy_file(source, target, name)
        elif stat.S_ISLNK(found.st_mode):
            os.symlink(os.readlink(name, dir_fd=source), name, dir_fd=target)
            _copy_attributes_at(source, target, name, found)
        elif _make_node(target, name, found):
            _copy_attributes_at(source, target, name, found)


def _make_room(target: int, name: bytes) -> None:
    try:
        os.unlink(name, dir_fd=target)
    except FileNotFoundError:
        pass
    except (IsADirectoryError, PermissionError):
        remove_tree(name, target)


def _make_directory(target: int, name: bytes) -> None:
    try:
        os.mkdir(name, 0o700, dir_fd=target)
    except FileExistsError:
        if not stat.S_ISDIR(os.stat(name, dir_fd=target, follow_symlinks=False).st_mode):
            os.unlink(name, dir_fd=target)
            os.mkdir(name, 0o700, dir_fd=target)


def _make_node(target: int, name: bytes, found: os.stat_result) -> bool:
    """Make a FIFO or a device if that is allowed; sockets mean nothing without their process."""
    if stat.S_ISSOCK(found.st_mode):
        return False
    try:
        os.mknod(name, found.st_mode, found.st_rdev, dir_fd=target)
    except PermissionError:
        return False
    return True


def _copy_file(source: int, target: int, name: bytes) -> None:
    reading = os.open(name, _OPEN_SOURCE, dir_fd=source)
    try:
        found = os.fstat(reading)
        writing = os.open(name, _CREATE, 0o600, dir_fd=target)
        try:
            _copy_content(reading, writing)
            _copy_attributes(reading, writing, found)
        finally:
            os.close(writing)
    finally:
        os.close(reading)


def _copy_content(reading: int, writing: int) -> None:
    """Copy in the kernel, which shares blocks where the file system can."""
    try:
        while os.copy_file_range(reading, writing, _CHUNK):
            pass
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP):
            raise
        while os.sendfile(writing, reading, None, _CHUNK):
            pass


def _copy_attributes(source: int, target: int, found: os.stat_result) -> None:
    os.fchown(target, found.st_uid, found.st_gid)
    os.fchmod(target, stat.S_IMODE(found.st_mode))
    _copy_xattrs(source, target, follow_symlinks=True)
    os.utime(target, ns=(found.st_mtime_ns, found.st_mtime_ns))


def _copy_attributes_at(source: int, target: int, name: bytes, found: os.stat_result) -> None:
    os.chown(name, found.st_uid, found.st_gid, dir_fd=target, follow_symlinks=False)
    if not stat.S_ISLNK(found.st_mode):
        os.chmod(name, stat.S_IMODE(found.st_mode), dir_fd=target)
    paths = (b"/proc/self/fd/%d/%s" % (fd, name) for fd in (source, target))
    _copy_xattrs(*paths, follow_symlinks=False)
    times = (found.st_mtime_ns, found.st_mtime_ns)
    os.utime(name, ns=times, dir_fd=target, follow_symlinks=False)


def _copy_xattrs(source: int | bytes, target: int | bytes, *, follow_symlinks: bool) -> None:
    for name in os.listxattr(source, follow_symlinks=follow_symlinks):
        if overlay.is_own_attribute(name) and name != ownership.ATTRIBUTE:
            continue
        try:
            value = os.getxattr(source, name, follow_symlinks=follow_symlinks)
            os.setxattr(target, name, value, follow_symlinks=follow_symlinks)
        except OSError as error:
            if error.errno not in _NOT_PERMITTED:
                raise
