"""The layer that a COPY or an ADD makes, as the tar stream of its change set.

Equal sources give equal bytes, but for the times of folders that are new on the way to the destination.
Only the standard library: see `store/trees.py`.
"""

from __future__ import annotations

import functools
import os
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from containerlab.build.files import select
from containerlab.build.files.added_archive import Unpacking, is_archive
from containerlab.build.files.chmod import parsed
from containerlab.build.files.landing import Arrival, Landing
from containerlab.build.files.noted_owners import NotedOwners
from containerlab.build.files.select import Pick
from containerlab.build.files.selection import Selection, Source, Target
from containerlab.build.files.tar_stream import TarStream
from containerlab.errors import InvalidInput, NotFound, NotPermitted
from containerlab.store import overlay
from containerlab.store import tar_write as tar
from containerlab.store.tar_write import Member
from containerlab.store.xattrs import is_of_the_file, read_xattrs

__all__ = ["Copied", "attributes", "copy", "opened_file"]

_OPEN_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

Write = Callable[[bytes], object]


class Copied(NamedTuple):
    """What a layer holds; files: all that are no folders. total_bytes: their content."""

    files: int
    total_bytes: int


def copy(
    source: Source, selection: Selection, target: Target, write: Write, now_s: int | None = None
) -> Copied:
    """Write the layer that has what `selection` takes from `source`.

    Where nothing is to be taken, the destination is made, if it is not there: a WORKDIR.
    now_s: the time of what has none of its own (folders on the way, files out of the Dockerfile).

    Raises: NotFound for a path that is not there, Conflict for a folder in the place of a file or the other
        way round, InvalidInput for a malformed pattern or mode, NotPermitted for what cannot be read,
        HostileArchive and CorruptContent for an archive of ADD.
    """
    copier = _Copier(source, selection, target, write, int(time.time()) if now_s is None else now_s)
    with select.opened(source) as tree, Landing(selection, target) as landing:
        if selection.paths or source.inline:
            copier.run(select.picks(tree, source, selection), landing)
        else:
            copier.make_folder(landing)
    return copier.end()


class _Copier:
    def __init__(
        self, source: Source, selection: Selection, target: Target, write: Write, now_s: int
    ) -> None:
        self._stream = TarStream(write)
        self._is_context = source.is_context
        self._selection = selection
        self._chmod = parsed(selection.chmod) if selection.chmod else None
        self._noted = NotedOwners()
        self._newest_s = target.newest_s
        self._now_s = now_s
        self._first_names: dict[tuple[int, int, int], bytes] = {}
        self._matches = 0
        self._files = 0
        self._total_bytes = 0

    def run(self, picks: Iterator[Pick], landing: Landing) -> None:
        rest = self._without_archives(picks, landing) if self._selection.unpacks else picks
        for arrival in landing.arrivals(rest):
            if arrival.pick is None:
                self._folder(arrival, landing)
            else:
                self._pick(arrival.path, arrival.pick)

    def make_folder(self, landing: Landing) -> None:
        """Make the destination and its parents; where it is there, the layer stays empty."""
        if not landing.is_folder(landing.place):
            for arrival in landing.folders(landing.place):
                self._folder(arrival, landing)

    def end(self) -> Copied:
        self._stream.end()
        return Copied(self._files, self._total_bytes)

    def _without_archives(self, picks: Iterator[Pick], landing: Landing) -> Iterator[Pick]:
        """Unpack the archives among what is taken, and yield the others."""
        for pick in picks:
            if pick.path or not _is_file(pick) or not self._unpack(pick, landing):
                yield pick

    def _unpack(self, pick: Pick, landing: Landing) -> bool:
        fd = os.open(pick.name, _OPEN_FILE, dir_fd=pick.folder)
        with os.fdopen(fd, "rb", buffering=0) as file:
            if not is_archive(file):
                return False
            for arrival in landing.folders(landing.place):
                self._folder(arrival, landing)
            unpacking = Unpacking(self._stream, landing, self._added, functools.partial(self._need, landing))
            files, total_bytes = unpacking.run(file)
        self._files += files
        self._total_bytes += total_bytes
        return True

    def _need(self, landing: Landing, path: bytes) -> None:
        """Write the folders that an archive implies, which belong to root."""
        for arrival in landing.folders(path):
            self._folder(arrival, landing, implied=True)

    def _added(self, member: Member) -> Member:
        """Return a member of an unpacked archive as the instruction wants it: --chmod is not for these."""
        uid, gid = self._selection.owner or (member.uid, member.gid)
        return member._replace(uid=uid, gid=gid, mtime=self._time(member.mtime))

    def _folder(self, arrival: Arrival, landing: Landing, *, implied: bool = False) -> None:
        """Write a folder that is only needed: as it is below, or as a new one."""
        if arrival.node is None:
            self._stream.add(self._new_folder(arrival, implied=implied))
            return
        status = arrival.node.status
        mtime = status.st_mtime_ns // 1_000_000_000 if arrival.mtime_s is None else arrival.mtime_s
        name, mode = arrival.path + b"/", stat.S_IMODE(status.st_mode)
        with landing.tree.open(arrival.node) as fd:
            member = Member(name, tar.DIRECTORY, mode, *self._noted.of(fd, status))
            xattrs = attributes(fd, is_context=False)
        self._stream.add(member._replace(mtime=self._time(mtime), xattrs=xattrs))

    def _new_folder(self, arrival: Arrival, *, implied: bool) -> Member:
        """Return a folder as mkdir(2) makes it, which takes the set-group-id bit from the one above."""
        mtime = self._time(self._now_s if arrival.mtime_s is None else arrival.mtime_s)
        name, group = arrival.path + b"/", arrival.inherits
        if implied or group is None:
            uid, gid = (0, 0) if implied else self._selection.owner or (0, 0)
            return Member(name, tar.DIRECTORY, 0o755, uid, gid, mtime=mtime)
        uid, gid = self._selection.owner or (0, group)
        return Member(name, tar.DIRECTORY, 0o2755, uid, gid, mtime=mtime)

    def _time(self, mtime_s: int) -> int:
        return mtime_s if self._newest_s is None else min(mtime_s, self._newest_s)

    def _pick(self, path: bytes, pick: Pick) -> None:
        if overlay.WHITEOUT_PREFIX in path:
            _refuse_names_of_deletions(path)
        self._matches += not pick.path
        if pick.status is None:
            self._inline(path, pick)
        elif stat.S_ISREG(pick.status.st_mode):
            self._file(path, pick)
        elif stat.S_IFMT(pick.status.st_mode) in tar.KINDS and not _is_deletion(pick.status):
            self._other(path, pick, pick.status)

    def _inline(self, path: bytes, pick: Pick) -> None:
        content = pick.match.content or b""
        uid, gid = self._selection.owner or (0, 0)
        mode = 0o644 if self._chmod is None else self._chmod.apply(0o644, is_directory=False)
        member = Member(path, tar.FILE, mode, uid, gid, len(content), self._time(self._now_s))
        self._stream.add(member, content)
        self._count(len(content))

    def _count(self, size: int) -> None:
        self._files += 1
        self._total_bytes += size

    def _file(self, path: bytes, pick: Pick) -> None:
        fd = opened_file(pick)
        try:
            status = os.fstat(fd)
            if not stat.S_ISREG(status.st_mode):
                return
            member = self._member(path, tar.FILE, status, fd)
            if status.st_nlink > 1:
                member = self._linked(member, status)
            self._stream.add(member)
            if member.kind == tar.FILE and status.st_size:
                self._stream.file(fd, status.st_size, os.fsdecode(path))
        finally:
            os.close(fd)
        self._count(member.size)

    def _linked(self, member: Member, status: os.stat_result) -> Member:
        """Make the second name of a file a hard link to its first, within what one path stands for."""
        key = (self._matches, status.st_dev, status.st_ino)
        first = self._first_names.setdefault(key, member.name)
        if first == member.name:
            return member
        return member._replace(kind=tar.HARD_LINK, link=first, size=0, xattrs={})

    def _other(self, path: bytes, pick: Pick, status: os.stat_result) -> None:
        kind = tar.KINDS[stat.S_IFMT(status.st_mode)]
        if kind == tar.DIRECTORY:
            self._stream.add(self._member(path + b"/", kind, status, pick.folder))
            return
        place = b"/proc/self/fd/%d/%s" % (pick.folder, pick.name)
        member = self._member(path, kind, status, place)
        if kind == tar.SYMLINK:
            member = member._replace(link=os.readlink(pick.name, dir_fd=pick.folder))
        elif kind != tar.FIFO:
            member = member._replace(device=(os.major(status.st_rdev), os.minor(status.st_rdev)))
        self._stream.add(member)
        self._count(0)

    def _member(self, name: bytes, kind: bytes, status: os.stat_result, file: int | bytes) -> Member:
        mode = stat.S_IMODE(status.st_mode)
        if self._chmod is not None and kind != tar.SYMLINK:
            mode = self._chmod.apply(mode, is_directory=kind == tar.DIRECTORY)
        uid, gid = self._selection.owner or self._owner(status, file)
        size = status.st_size if kind == tar.FILE else 0
        mtime = self._time(status.st_mtime_ns // 1_000_000_000)
        xattrs = attributes(file, is_context=self._is_context)
        return Member(name, kind, mode, uid, gid, size, mtime, xattrs=xattrs)

    def _owner(self, status: os.stat_result, file: int | bytes) -> tuple[int, int]:
        """Return the owner in the image; what cannot be opened has no notes."""
        if self._is_context:
            return 0, 0
        return self._noted.of(file, status) if isinstance(file, int) else (status.st_uid, status.st_gid)


def _refuse_names_of_deletions(path: bytes) -> None:
    if path.rpartition(b"/")[2].startswith(overlay.WHITEOUT_PREFIX):
        raise InvalidInput(
            f"cannot copy /{os.fsdecode(path)}: in layers a name that begins with .wh. deletes something",
            "leave it out with .dockerignore or --exclude",
        )


def _is_file(pick: Pick) -> bool:
    return pick.status is not None and stat.S_ISREG(pick.status.st_mode)


def _is_deletion(status: os.stat_result) -> bool:
    """Tell whether a node would be taken for a deletion in a layer."""
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0


def opened_file(pick: Pick) -> int:
    """Open a file that is taken, whatever it has become since it was looked at.

    Raises: NotPermitted, NotFound.
    """
    shown = os.fsdecode(pick.path or pick.match.name)
    try:
        return os.open(pick.name, _OPEN_FILE, dir_fd=pick.folder)
    except PermissionError as error:
        hint = "make it readable, or leave it out with .dockerignore"
        raise NotPermitted(f"cannot read {shown}, which is to be copied", hint) from error
    except FileNotFoundError as error:
        raise NotFound(f"{shown} went away while it was copied", "try again") from error


def attributes(file: int | bytes, *, is_context: bool) -> Mapping[str, bytes]:
    """Return the extended attributes that go into a layer.

    Of a user's own files only the capabilities: what else desktop programs note there (where a file was
    downloaded, say) is nobody's business. Neither do BuildKit's layers have it.
    """
    return read_xattrs(file, _is_capability if is_context else is_of_the_file)


def _is_capability(name: str) -> bool:
    return name == "security.capability"
