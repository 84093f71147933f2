"""Directories become tar streams: an overlay's upper directory a layer's change set, a tree an archive.

By descriptors, no link is followed, nothing blocks on a FIFO; what a running container changes meanwhile
cannot lead elsewhere. Entries come sorted, so that equal trees give equal bytes.
Only the standard library, and nothing imported late, as in `unpack`.
"""

from __future__ import annotations

import errno
import math
import os
import stat
from collections.abc import Callable, Collection, Iterable, Mapping

from containerlab.linux import syscalls
from containerlab.store import overlay
from containerlab.store import tar_write as tar
from containerlab.store.owners import Noted, Owners
from containerlab.store.ownership import Owner
from containerlab.store.paths import join
from containerlab.store.tar_write import Member
from containerlab.store.xattrs import read_xattrs

__all__ = ["write_change_set", "write_changes", "write_tree"]

_OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_OPEN_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_WITHOUT_LINKS = syscalls.RESOLVE_BENEATH | syscalls.RESOLVE_NO_SYMLINKS
_CHANGED_MEANWHILE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
"""What a running container's removals and replacements look like: left out, never followed."""
_CHUNK = 1 << 20
_KERNEL = Owners(Noted(), is_single=False)
"""Where all ids are mapped, each file has its owner."""
_FLUSH_BYTES = 256 << 10

Write = Callable[[bytes], object]
"""Takes the next bytes of the archive and returns when they are taken."""


def write_change_set(
    upper: int,
    write: Write,
    skip: Collection[bytes] = (),
    newest_s: float = math.inf,
    owners: Owners = _KERNEL,
) -> None:
    """Write what an open upper directory of an overlay changes, as a layer of an image.

    skip: paths, relative to the root, that are not part of it (mount points that a runtime made).
    newest_s: what is younger gets this time. owners: who tells them.
    Source: OCI image specification, "Image Layer Filesystem Changeset".
    """
    packer = _Packer(write, whiteouts=True, newest_s=newest_s, owners=owners)
    packer.tree(upper, b"", b"", skip)
    packer.end()


def write_tree(
    parent: int,
    name: bytes,
    write: Write,
    as_name: bytes,
    hidden: Collection[int] = (),
    *,
    is_single: bool = False,
) -> None:
    """Write the file or directory `name` of an open directory; in the archive it is called `as_name`.

    A whole open directory is written as it is with the names b"." and b"". hidden: devices whose
    directories are written as if they were empty. is_single: owners are noted beside the files; see
    `ownership`.
    """
    packer = _Packer(write, whiteouts=False, hidden=hidden, owners=Owners(Noted(), is_single=is_single))
    found = os.stat(name, dir_fd=parent, follow_symlinks=False)
    if name != b".":
        packer.entry(parent, name, as_name, found)
    if stat.S_ISDIR(found.st_mode):
        packer.tree(parent, name, as_name)
    packer.end()


def write_changes(
    root: int,
    write: Write,
    changes: Iterable[tuple[str, str]],
    newest_s: float = math.inf,
    owners: Owners = _KERNEL,
) -> None:
    """Write the given (kind, absolute path) changes of an open tree as a layer; see `store.changes`."""
    packer = _Packer(write, whiteouts=True, newest_s=newest_s, owners=owners)
    for kind, text in changes:
        path = os.fsencode(text).lstrip(b"/")
        above, _, name = path.rpartition(b"/")
        if kind == "D":
            packer.delete(path)
            continue
        parent = syscalls.openat2(root, above or b".", _OPEN_DIRECTORY, 0, _WITHOUT_LINKS)
        try:
            packer.entry(parent, name, path, os.stat(name, dir_fd=parent, follow_symlinks=False))
        finally:
            os.close(parent)
    packer.end()


class _Packer:
    def __init__(
        self,
        write: Write,
        *,
        whiteouts: bool,
        hidden: Collection[int] = (),
        newest_s: float = math.inf,
        owners: Owners = _KERNEL,
    ) -> None:
        self._write = write
        self._owners = owners
        self._newest_s = newest_s
        self._whiteouts = whiteouts
        self._hidden = hidden
        self._buffer = bytearray()
        self._first_names: dict[tuple[int, int], bytes] = {}

    def tree(self, root: int, start: bytes, as_name: bytes, skip: Collection[bytes] = ()) -> None:
        """Write all that is below a directory, each directory followed by what is in it.

        Only one descriptor is open at a time, whatever the depth.
        """
        pending: list[tuple[bytes, list[bytes] | None]] = [(b"", None)]
        while pending:
            path, names = pending.pop()
            try:
                directory = syscalls.openat2(
                    root, join(start, path) or b".", _OPEN_DIRECTORY, 0, _WITHOUT_LINKS
                )
            except OSError as error:
                if error.errno not in _CHANGED_MEANWHILE:
                    raise
                continue
            try:
                if names is None:
                    names = self._begin(directory, path, join(as_name, path), skip)
                below = self._until_directory(directory, names, join(as_name, path))
            finally:
                os.close(directory)
            if below:
                pending += [(path, names), (join(path, below), None)]

    def _begin(self, directory: int, path: bytes, full: bytes, skip: Collection[bytes]) -> list[bytes]:
        """Return the names in a directory, last first."""
        if self._whiteouts and path and overlay.is_opaque(directory):
            self._put(Member(full + b"/" + overlay.OPAQUE_NAME, tar.FILE))
        names = sorted(map(os.fsencode, os.listdir(directory)), reverse=True)
        if self._whiteouts and overlay.OPAQUE_NAME in names:
            names.remove(overlay.OPAQUE_NAME)
        return [name for name in names if join(path, name) not in skip] if skip else names

    def _until_directory(self, directory: int, names: list[bytes], above: bytes) -> bytes:
        """Write entries, and take their names away, up to a directory, whose name is returned."""
        while names:
            name = names.pop()
            try:
                found = os.stat(name, dir_fd=directory, follow_symlinks=False)
                self.entry(directory, name, join(above, name), found)
            except OSError as error:
                if error.errno not in _CHANGED_MEANWHILE:
                    raise
                continue
            if stat.S_ISDIR(found.st_mode) and found.st_dev not in self._hidden:
                return name
        return b""

    def entry(self, directory: int, name: bytes, full: bytes, found: os.stat_result) -> None:
        """Write one file, directory, link or node."""
        if self._whiteouts and overlay.is_whiteout(found, directory, name):
            self.delete(full)
        elif stat.S_ISREG(found.st_mode):
            self._file(directory, name, full)
        elif stat.S_ISDIR(found.st_mode):
            self._directory(directory, name, full)
        elif stat.S_IFMT(found.st_mode) in tar.KINDS:
            link = os.readlink(name, dir_fd=directory) if stat.S_ISLNK(found.st_mode) else b""
            owner = self._owners.of_other(full, found, link)
            xattrs = read_xattrs(b"/proc/self/fd/%d/%s" % (directory, name))
            self._put(self._linked(_member(full, found, owner, xattrs)._replace(link=link), found))

    def delete(self, full: bytes) -> None:
        """Write that what lower layers have under a name is gone."""
        above, slash, last = full.rpartition(b"/")
        self._put(Member(above + slash + overlay.WHITEOUT_PREFIX + last, tar.FILE))

    def _directory(self, parent: int, name: bytes, full: bytes) -> None:
        fd = os.open(name, _OPEN_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
        try:
            found = os.fstat(fd)
            self._put(_member(full + b"/", found, self._owners.of_open(fd, found), read_xattrs(fd)))
        finally:
            os.close(fd)

    def _file(self, directory: int, name: bytes, full: bytes) -> None:
        fd = os.open(name, _OPEN_FILE, dir_fd=directory)
        try:
            found = os.fstat(fd)
            if not stat.S_ISREG(found.st_mode):
                return
            member = _member(full, found, self._owners.of_open(fd, found), read_xattrs(fd))
            member = self._linked(member, found)
            self._put(member)
            if member.kind == tar.FILE:
                self._content(fd, found.st_size)
        finally:
            os.close(fd)

    def _linked(self, member: Member, found: os.stat_result) -> Member:
        """Make the second name of a file a hard link to its first."""
        if found.st_nlink < 2 or member.kind == tar.DIRECTORY:
            return member
        first = self._first_names.setdefault((found.st_dev, found.st_ino), member.name)
        if first == member.name:
            return member
        return member._replace(kind=tar.HARD_LINK, link=first, size=0, xattrs={})

    def _content(self, fd: int, size: int) -> None:
        """Write as many bytes as the header says, whatever becomes of the file meanwhile."""
        left = size
        while left:
            data = os.read(fd, min(left, _CHUNK)) or bytes(min(left, _CHUNK))
            left -= len(data)
            self._buffer += data
            self._flush(_FLUSH_BYTES)
        self._buffer += tar.padding(size)

    def _put(self, member: Member) -> None:
        if member.mtime > self._newest_s:
            member = member._replace(mtime=int(self._newest_s))
        self._buffer += tar.header(member)
        self._flush(_FLUSH_BYTES)

    def _flush(self, least: int) -> None:
        if len(self._buffer) >= least:
            self._write(bytes(self._buffer))
            self._buffer.clear()

    def end(self) -> None:
        self._buffer += tar.END
        self._flush(0)


def _member(full: bytes, found: os.stat_result, owner: Owner, xattrs: Mapping[str, bytes]) -> Member:
    kind = tar.KINDS[stat.S_IFMT(found.st_mode)]
    device = (0, 0)
    if kind in (tar.CHARACTER, tar.BLOCK):
        device = (os.major(found.st_rdev), os.minor(found.st_rdev))
    return Member(
        full,
        kind,
        stat.S_IMODE(found.st_mode),
        owner.uid,
        owner.gid,
        found.st_size if kind == tar.FILE else 0,
        found.st_mtime_ns // 1_000_000_000,
        device=device,
        xattrs=xattrs,
    )
