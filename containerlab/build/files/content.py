"""What the files that a COPY or an ADD takes are, in one number: the part of its cache key that they make.

Only the standard library: see `store/trees.py`.
Source: BuildKit hashes the same of a file: cache/contenthash/tarsum.go.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import stat
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from containerlab.build.files import select
from containerlab.build.files.copier import attributes, opened_file
from containerlab.build.files.hash_cache import Folder, HashCache
from containerlab.build.files.noted_owners import NotedOwners
from containerlab.build.files.select import Pick
from containerlab.build.files.selection import Selection, Source

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

__all__ = ["digest"]

_CHUNK = 1 << 20
_THREADS_FROM_BYTES = 1 << 20
_MOST_OPEN = 64


def digest(source: Source, selection: Selection, cache: str | None = None) -> str:
    """Return a digest of exactly the files used: their names, types, modes, owners, attributes and content.

    Not of times, nor of where they arrive. cache: path of an SQLite file that remembers hashes.

    Raises: as `copier.copy`, as far as the source goes.
    """
    with contextlib.ExitStack() as stack:
        tree = stack.enter_context(select.opened(source))
        hashes = stack.enter_context(HashCache(cache))
        summary = stack.enter_context(_Summary(source, selection, hashes))
        for pick in select.picks(tree, source, selection):
            summary.add(pick)
        return summary.digest()


class _Late(NamedTuple):
    """A big file that a thread reads; at: where its record belongs; line: makes it of what was read."""

    at: int
    line: Callable[[bytes], bytes]
    value: Future[bytes]


class _Summary:
    def __init__(self, source: Source, selection: Selection, hashes: HashCache) -> None:
        self._is_context = source.is_context
        self._has_owners = not source.is_context and selection.owner is None
        self._noted = NotedOwners()
        self._hashes = hashes
        self._records: list[bytes] = []
        self._late: list[_Late] = []
        self._threads: ThreadPoolExecutor | None = None
        self._where: tuple[bytes, int] | None = None
        self._folder: Folder | None = None

    def __enter__(self) -> _Summary:
        return self

    def __exit__(self, *_: object) -> None:
        if self._threads is not None:
            self._threads.shutdown()

    def add(self, pick: Pick) -> None:
        """Take in what is true of one file."""
        name = pick.match.name + b"\0" + pick.path
        if pick.status is None:
            self._records.append(b"<%b\0%b\n" % (name, hashlib.sha256(pick.match.content or b"").digest()))
        elif stat.S_ISREG(pick.status.st_mode):
            self._file(pick, name, pick.status)
        elif stat.S_ISDIR(pick.status.st_mode):
            if pick.path:
                rest = self._attributes(pick.folder)
                self._records.append(_line(name, pick.status, self._owner(pick.status, pick.folder), rest))
            else:  # what it has itself is not copied
                self._records.append(b"/%b\n" % name)
                self._where = None
        elif stat.S_ISLNK(pick.status.st_mode):
            self._record(name, pick.status, os.readlink(pick.name, dir_fd=pick.folder))
        elif not stat.S_ISSOCK(pick.status.st_mode):
            self._record(name, pick.status, b"%d" % pick.status.st_rdev)

    def _record(self, name: bytes, status: os.stat_result, rest: bytes) -> None:
        self._records.append(_line(name, status, self._owner(status), rest))

    def _owner(self, status: os.stat_result, file: int = -1) -> bytes:
        """Return the owner as far as it counts; of an open file the one that is noted beside it."""
        if not self._has_owners:
            return b""
        if file >= 0:
            return b"%d:%d" % self._noted.of(file, status)
        return b"%d:%d" % (status.st_uid, status.st_gid)

    def _attributes(self, file: int) -> bytes:
        """Return what is kept beside a file and is part of it."""
        found = attributes(file, is_context=self._is_context)
        return repr(sorted(found.items())).encode("utf-8", "surrogateescape") if found else b""

    def _file(self, pick: Pick, name: bytes, status: os.stat_result) -> None:
        folder = self._folder_of(pick)
        short = os.fsdecode(pick.name)
        known = folder.get(short, status)
        if known is not None and not (self._has_owners and self._noted.are_noted):
            self._record(name, status, known)
            return
        fd = opened_file(pick)
        try:
            status = os.fstat(fd)
            owner = self._owner(status, fd)
            if known is None:
                extra = self._attributes(fd)
                if status.st_size >= _THREADS_FROM_BYTES:
                    work = functools.partial(_hash_and_put, folder, short, status, extra)
                    fd = self._later(fd, functools.partial(_line, name, status, owner), work)
                    return
                known = _hash(fd, status.st_size, extra)
                folder.put(short, status, known)
        finally:
            if fd >= 0:
                os.close(fd)
        self._records.append(_line(name, status, owner, known))

    def _later(self, fd: int, line: Callable[[bytes], bytes], work: Callable[[int], bytes]) -> int:
        """Let a thread hash a big file and close it; return -1, as the descriptor is not here any more."""
        if self._threads is None:
            from concurrent.futures import ThreadPoolExecutor

            self._threads = ThreadPoolExecutor(min(8, os.cpu_count() or 1), "hash")
        if len(self._late) >= _MOST_OPEN:
            self._late[-_MOST_OPEN].value.result()
        self._late.append(_Late(len(self._records), line, self._threads.submit(work, fd)))
        self._records.append(b"")
        return -1

    def _folder_of(self, pick: Pick) -> Folder:
        where = (pick.path.rpartition(b"/")[0], pick.folder)
        if self._folder is None or self._where != where or not pick.path:
            self._folder = self._hashes.folder(pick.folder)
            self._where = where
        return self._folder

    def digest(self) -> str:
        for late in self._late:
            self._records[late.at] = late.line(late.value.result())
        return "sha256:" + hashlib.sha256(b"".join(self._records)).hexdigest()


def _line(name: bytes, status: os.stat_result, owner: bytes, rest: bytes) -> bytes:
    return b"%b\0%o\0%b\0%d\0%b\n" % (name, status.st_mode, owner, len(rest), rest)


def _hash_and_put(folder: Folder, name: str, status: os.stat_result, extra: bytes, fd: int) -> bytes:
    try:
        value = _hash(fd, status.st_size, extra)
    finally:
        os.close(fd)
    folder.put(name, status, value)
    return value


def _hash(fd: int, size: int, extra: bytes) -> bytes:
    hasher = hashlib.sha256(extra)
    left = size
    while left and (data := os.read(fd, min(left, _CHUNK))):
        hasher.update(data)
        left -= len(data)
    return hasher.digest()
