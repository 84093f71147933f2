"""Apply a tar stream from anyone to a directory, which it cannot leave.

Parents are opened with `openat2` in the root, so links in an archive lead where they would in a container;
the last component is never followed, and everything is done on descriptors. Names that lead out by `..` are
refused, absolute names are taken as relative to the root, as Docker does. A symbolic link is only text: it
may point anywhere. Never `tarfile.extractall`, whose filters were bypassed (CVE-2025-4517).

Only the standard library is used, and nothing is imported late: this also runs in a user namespace and,
for `cp`, in a container's mount namespace.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from containerlab.errors import Conflict, HostileArchive
from containerlab.linux import syscalls
from containerlab.linux.files import remove_tree, write_all
from containerlab.store import overlay, ownership
from containerlab.store import tar_read as tar
from containerlab.store.ownership import Owner
from containerlab.store.tar_read import Entry

__all__ = ["Limits", "Report", "name_inside", "unpack"]

_IN_ROOT = syscalls.RESOLVE_IN_ROOT | syscalls.RESOLVE_NO_MAGICLINKS
_OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_MOST_OPEN_DIRECTORIES = 200
_WHITEOUT_META = b".wh..wh."
_REFUSED = (errno.EPERM, errno.EACCES, errno.EINVAL, errno.ENOTSUP)
"""What the kernel answers to what needs a right, or an id, that this user namespace lacks."""
_ARCHIVE_IS_WRONG = (
    errno.EINVAL,
    errno.ENAMETOOLONG,
    errno.EFBIG,
    errno.ENOTDIR,
    errno.ENOENT,
    errno.ELOOP,
    errno.EISDIR,
    errno.EXDEV,
    errno.EMLINK,
    errno.ERANGE,
    errno.E2BIG,
)


class Limits(NamedTuple):
    """What an archive may ask for before it is taken for a bomb.

    entries: members. total_bytes: content of all files. path_length: bytes of a name. ratio: of unpacked
    bytes to stored ones after the first GiB, which who decompresses has to watch.
    """

    entries: int = 10_000_000
    total_bytes: int = 1 << 40
    path_length: int = 4095
    ratio: int = 2000


GENEROUS = Limits()


class Report(NamedTuple):
    """What was unpacked; `notices` say in a sentence each what could not be done as the archive asks."""

    entries: int
    total_bytes: int
    notices: tuple[str, ...]


def unpack(
    read: Callable[[int], bytes],
    root: int,
    limits: Limits = GENEROUS,
    *,
    whiteouts: bool = True,
    notes_owners: bool = False,
) -> Report:
    """Apply a tar stream to the open directory `root`; of entries with the same name the last one wins.

    read: returns up to so many bytes, nothing at the end. whiteouts: write the names `.wh.NAME` and
    `.wh..wh..opq` down as overlayfs does; else they are names like others, and no directory gives way to
    something else, or the other way round. notes_owners: there is a single id, and owners that it is not are
    noted beside the files; see `ownership`. The umask must be 0.

    Raises: HostileArchive for one that tries to get out or is a bomb, CorruptContent for one that is
        damaged, Conflict for what does not give way; what was made until then remains.
    """
    reader = tar.Reader(read)
    unpacker = _Unpacker(reader, root, limits, whiteouts=whiteouts, notes_owners=notes_owners)
    try:
        for entry in reader:
            unpacker.add(entry)
        unpacker.set_directory_times()
        unpacker.close_directories()
        return unpacker.report()
    finally:
        unpacker.close()


class _Directories:
    """Open directories below a root, by path."""

    def __init__(self, root: int) -> None:
        self._root = root
        self._open: dict[bytes, int] = {b"": root}
        self._stale = False

    def get(self, path: bytes) -> int:
        """Return a descriptor, with missing directories made."""
        fd = self._open.get(path)
        if fd is not None:
            return fd
        try:
            return self.find(path)
        except FileNotFoundError:
            self._make(path)
            return self.find(path)

    def _make(self, path: bytes) -> None:
        """Make a directory and those above it that are missing; there may be thousands."""
        missing: list[bytes] = []
        fd = -1
        while fd < 0:
            path, _, name = path.rpartition(b"/")
            missing.append(name)
            with contextlib.suppress(FileNotFoundError):
                fd = os.dup(self._root) if not path else self._look_up(path)
        while missing:
            name = missing.pop()
            try:
                os.mkdir(name, 0o755, dir_fd=fd)
                below = os.open(name, _OPEN_DIRECTORY | os.O_NOFOLLOW, dir_fd=fd)
            except FileExistsError:
                raise HostileArchive(
                    f"the archive writes through {_shown(name)}, a link to nothing"
                ) from None
            finally:
                os.close(fd)
            fd = below
        os.close(fd)

    def _look_up(self, path: bytes) -> int:
        return syscalls.openat2(self._root, path, _OPEN_DIRECTORY, 0, _IN_ROOT)

    def find(self, path: bytes) -> int:
        """Return a descriptor of a directory that is there, links in its path followed within the root."""
        fd = self._open.get(path)
        if fd is None:
            fd = self._open[path] = self._look_up(path)
        return fd

    def distrust(self) -> None:
        """Note that a path may lead elsewhere now; descriptors in use stay open until `settle`."""
        self._stale = True

    def settle(self) -> None:
        """Between two entries: close what cannot be trusted any more or is too much."""
        if self._stale or len(self._open) > _MOST_OPEN_DIRECTORIES:
            self.close()
            self._open = {b"": self._root}
            self._stale = False

    def close(self) -> None:
        for path, fd in self._open.items():
            if path:
                os.close(fd)


class _Unpacker:
    def __init__(
        self, reader: tar.Reader, root: int, limits: Limits, *, whiteouts: bool, notes_owners: bool
    ) -> None:
        self._reader = reader
        self._root = root
        self._limits = limits
        self._whiteouts = whiteouts
        self._directories = _Directories(root)
        self._directory_times: dict[bytes, int] = {}
        self._closed: dict[bytes, int] = {}
        self._refused: Counter[str] = Counter()
        self._notes_owners = notes_owners
        self._entries = 0
        self._total_bytes = 0
        self._make = {
            tar.FILE: self._file,
            tar.DIRECTORY: self._directory,
            tar.SYMLINK: self._symlink,
            tar.HARD_LINK: self._hard_link,
            tar.FIFO: self._fifo,
            tar.CHARACTER: self._device,
            tar.BLOCK: self._device,
        }

    def add(self, entry: Entry) -> None:
        """Make one entry."""
        self._count(entry)
        path = name_inside(entry.name, self._limits.path_length)
        above, _, name = path.rpartition(b"/")
        self._directories.settle()
        entry = self._writable_for_now(entry, path)
        try:
            if not path:
                self._root_itself(entry)
            elif self._whiteouts and name.startswith(overlay.WHITEOUT_PREFIX):
                self._white_out(self._directories.get(above), name)
            else:
                self._make[entry.kind](entry, self._directories.get(above), name)
            if entry.kind == tar.DIRECTORY:
                self._directory_times[path] = entry.mtime_ns
        except OSError as error:
            raise _translated(error, path) from error

    def _writable_for_now(self, entry: Entry, path: bytes) -> Entry:
        """Let a directory take what comes into it, though its mode denies that to a user without rights."""
        self._closed.pop(path, None)
        if entry.kind != tar.DIRECTORY or entry.mode & stat.S_IRWXU == stat.S_IRWXU or os.geteuid() == 0:
            return entry
        self._closed[path] = entry.mode
        return entry._replace(mode=entry.mode | stat.S_IRWXU)

    def _count(self, entry: Entry) -> None:
        self._entries += 1
        self._total_bytes += entry.size if entry.pieces is None else sum(size for _, size in entry.pieces)
        if self._entries > self._limits.entries:
            raise _bomb(f"has more than {self._limits.entries} entries")
        if self._total_bytes > self._limits.total_bytes:
            raise _bomb(f"unpacks to more than {self._limits.total_bytes} bytes")

    def _root_itself(self, entry: Entry) -> None:
        if entry.kind != tar.DIRECTORY:
            raise HostileArchive("the archive replaces its root by something that is no directory")
        self._attributes(self._root, entry)

    def _file(self, entry: Entry, parent: int, name: bytes) -> None:
        try:
            fd = os.open(name, _CREATE, entry.mode, dir_fd=parent)
        except FileExistsError:
            self._clear(parent, name)
            fd = os.open(name, _CREATE, entry.mode, dir_fd=parent)
        try:
            if entry.pieces is None:
                for _, piece in self._reader.data():
                    write_all(fd, piece)
            else:
                self._sparse(fd, entry.size)
            self._attributes(fd, entry)
            os.utime(fd, ns=(entry.mtime_ns, entry.mtime_ns))
        finally:
            os.close(fd)

    def _sparse(self, fd: int, size: int) -> None:
        os.ftruncate(fd, size)
        for offset, piece in self._reader.data():
            os.lseek(fd, offset, os.SEEK_SET)
            write_all(fd, piece)

    def _directory(self, entry: Entry, parent: int, name: bytes) -> None:
        opaque = False
        try:
            os.mkdir(name, 0o700, dir_fd=parent)
        except FileExistsError:
            found = os.stat(name, dir_fd=parent, follow_symlinks=False)
            if not stat.S_ISDIR(found.st_mode):
                # Deleted below and made again: nothing of the old directory may shine through.
                opaque = self._whiteouts and overlay.is_whiteout(found, parent, name)
                if not self._whiteouts:
                    raise Conflict(f"{_shown(name)} is there and no directory", "remove it first") from None
                self._clear(parent, name)
                os.mkdir(name, 0o700, dir_fd=parent)
        fd = os.open(name, _OPEN_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
        try:
            self._attributes(fd, entry)
            if opaque:
                overlay.make_opaque(fd)
        finally:
            os.close(fd)

    def _symlink(self, entry: Entry, parent: int, name: bytes) -> None:
        _check_text(entry.link)
        try:
            os.symlink(entry.link, name, dir_fd=parent)
        except FileExistsError:
            self._clear(parent, name)
            os.symlink(entry.link, name, dir_fd=parent)
        self._attributes_at(parent, name, entry)

    def _hard_link(self, entry: Entry, parent: int, name: bytes) -> None:
        above, _, source = name_inside(entry.link, self._limits.path_length).rpartition(b"/")
        source_parent = self._directories.find(above)
        if not source:
            raise HostileArchive(f"the archive's {_shown(name)} is a hard link to the root")
        original = os.stat(source, dir_fd=source_parent, follow_symlinks=False)
        if stat.S_ISDIR(original.st_mode):
            raise HostileArchive(f"the archive's {_shown(name)} is a hard link to a directory")
        found = _look(parent, name)
        if found is not None and os.path.samestat(found, original):
            return
        if found is not None:
            self._clear(parent, name)
        os.link(source, name, src_dir_fd=source_parent, dst_dir_fd=parent, follow_symlinks=False)

    def _fifo(self, entry: Entry, parent: int, name: bytes) -> None:
        self._clear(parent, name)
        os.mkfifo(name, entry.mode, dir_fd=parent)
        self._attributes_at(parent, name, entry)

    def _device(self, entry: Entry, parent: int, name: bytes) -> None:
        kind = stat.S_IFCHR if entry.kind == tar.CHARACTER else stat.S_IFBLK
        major, minor = entry.device
        if major > 0xFFF or minor > 0xFFFFF or (kind == stat.S_IFCHR and not major and not minor):
            # 0:0 would be taken for a deletion by overlayfs.
            raise HostileArchive(f"the archive's {_shown(name)} is the impossible device {major}:{minor}")
        self._clear(parent, name)
        try:
            os.mknod(name, kind | entry.mode, os.makedev(major, minor), dir_fd=parent)
        except PermissionError:
            self._refused["device nodes left out"] += 1
            return
        self._attributes_at(parent, name, entry)

    def _white_out(self, parent: int, name: bytes) -> None:
        """Note a deletion; what the same layer itself has of that name stays, whichever came first."""
        hidden = name.removeprefix(overlay.WHITEOUT_PREFIX)
        if name == overlay.OPAQUE_NAME:
            overlay.make_opaque(parent)
            return
        if name.startswith(_WHITEOUT_META):  # other notes of aufs, of no meaning here
            return
        if hidden in (b"", b".", b".."):
            raise HostileArchive(f"the archive deletes by the impossible name {_shown(name)}")
        found = _look(parent, hidden)
        if found is None:
            overlay.make_whiteout(parent, hidden)
        elif stat.S_ISDIR(found.st_mode):
            fd = os.open(hidden, _OPEN_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
            try:
                overlay.make_opaque(fd)
            finally:
                os.close(fd)

    def _clear(self, parent: int, name: bytes) -> None:
        """Remove what an earlier entry put in the place of this one."""
        found = _look(parent, name)
        if found is None:
            return
        if stat.S_ISDIR(found.st_mode):
            if not self._whiteouts:
                raise Conflict(f"{_shown(name)} is there and a directory", "remove it first")
            remove_tree(name, parent)
            self._directories.distrust()
            return
        os.unlink(name, dir_fd=parent)
        if stat.S_ISLNK(found.st_mode):
            self._directories.distrust()

    def _attributes(self, fd: int, entry: Entry) -> None:
        """Set owner, then mode, then attributes: each of them takes away from those after it.

        An owner that a user namespace with a single id does not have is noted in an attribute.
        """
        try:
            os.fchown(fd, entry.uid, entry.gid)
            if self._notes_owners and entry.kind == tar.DIRECTORY:
                ownership.forget(fd)  # it may have been there before
        except OSError as error:
            if self._notes_owners and error.errno == errno.EINVAL:
                self._note_owner(fd, entry)
            else:
                self._forgive(error, "owners not kept")
        if entry.mode & 0o6000 or entry.kind == tar.DIRECTORY:
            os.fchmod(fd, entry.mode)
        if entry.xattrs:
            self._xattrs(fd, entry, follow_symlinks=True)

    def _note_owner(self, fd: int, entry: Entry) -> None:
        try:
            ownership.write(fd, Owner(entry.uid, entry.gid), entry.mode)
        except OSError as error:
            self._forgive(error, "owners not kept")

    def _attributes_at(self, parent: int, name: bytes, entry: Entry) -> None:
        try:
            os.chown(name, entry.uid, entry.gid, dir_fd=parent, follow_symlinks=False)
        except OSError as error:
            self._forgive(error, "owners of links, pipes and devices not kept")
        if entry.xattrs:
            self._xattrs(b"/proc/self/fd/%d/%s" % (parent, name), entry, follow_symlinks=False)
        os.utime(name, ns=(entry.mtime_ns, entry.mtime_ns), dir_fd=parent, follow_symlinks=False)

    def _xattrs(self, file: int | bytes, entry: Entry, *, follow_symlinks: bool) -> None:
        for name, value in entry.xattrs.items():
            if overlay.is_own_attribute(name):
                continue
            try:
                os.setxattr(file, name, value, follow_symlinks=follow_symlinks)
            except OSError as error:
                if (
                    error.errno == errno.ENOENT
                ):  # in a container without /proc, through which links are reached
                    continue
                self._forgive(error, f"attributes {name.partition('.')[0]}.* not kept")

    def _forgive(self, error: OSError, what: str) -> None:
        if error.errno not in _REFUSED:
            raise error
        self._refused[what] += 1

    def set_directory_times(self) -> None:
        """Set them at the end, when nothing is put into a directory any more."""
        for path, mtime_ns in self._directory_times.items():
            above, _, name = path.rpartition(b"/")
            self._directories.settle()
            try:
                where = self._directories.find(above)
                os.utime(name or b".", ns=(mtime_ns, mtime_ns), dir_fd=where, follow_symlinks=False)
            except OSError:  # replaced by a later entry
                continue

    def close_directories(self) -> None:
        """Give the directories that were open to their owner for a while their modes, the lowest first."""
        for path in sorted(self._closed, reverse=True):
            above, _, name = path.rpartition(b"/")
            self._directories.settle()
            os.chmod(name or b".", self._closed[path], dir_fd=self._directories.find(above))

    def report(self) -> Report:
        notices = (f"{count} {what}: not possible for this user" for what, count in self._refused.items())
        return Report(self._entries, self._total_bytes, tuple(notices))

    def close(self) -> None:
        self._directories.close()


def name_inside(name: bytes, longest: int = 4095) -> bytes:
    """Return a name as a path relative to the root, without `.`, `..` and doubled slashes.

    Raises: HostileArchive for one that leads out, is longer than `longest`, or has a zero byte.
    """
    if len(name) > longest:
        raise HostileArchive(f"the archive has a name of {len(name)} bytes: {_shown(name[:40])}…")
    _check_text(name)
    parts: list[bytes] = []
    for part in name.split(b"/"):
        if part == b"..":
            if not parts:
                raise HostileArchive(f"the archive has a name that leads out: {_shown(name)}")
            parts.pop()
        elif part not in (b"", b"."):
            parts.append(part)
    return b"/".join(parts)


def _check_text(name: bytes) -> None:
    if b"\0" in name:
        raise HostileArchive(f"the archive has a name with a zero byte: {_shown(name)}")


def _look(parent: int, name: bytes) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _bomb(what: str) -> HostileArchive:
    return HostileArchive(f"the archive {what}", "raise the limit if you trust it")


def _translated(error: OSError, path: bytes) -> Exception:
    if error.errno in _ARCHIVE_IS_WRONG:
        return HostileArchive(f"the archive's {_shown(path)} cannot be made: {os.strerror(error.errno)}")
    return error


def _shown(name: bytes) -> str:
    return ascii(os.fsdecode(name))[:200]
