"""What a container changed, as `diff` shows it: paths added (A), changed (C) and deleted (D).

As in Docker, a directory counts as changed when something in it is. Compares metadata, never content.
Runs in the user namespace whose ids the files have, with only the standard library.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from containerlab.linux import syscalls
from containerlab.linux.idmap import IdMap
from containerlab.store import merged, overlay, ownership, trees
from containerlab.store.merged import Found, Keep

__all__ = ["Change", "changes", "compare", "main"]

_OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_WITHOUT_LINKS = syscalls.RESOLVE_BENEATH | syscalls.RESOLVE_NO_SYMLINKS


class Change(NamedTuple):
    """kind: "A", "C" or "D". path: absolute, as in the container."""

    kind: str
    path: str


def changes(
    upper: Path | None, root: Path, lowers: Sequence[Path], *, idmap: IdMap, stubs: Collection[str] = ()
) -> list[Change]:
    """Return what lies in a snapshot's upper directory, or in `root` where a copy has none, by path.

    lowers: topmost first. stubs: absolute paths of mount points that the runtime made, and of directories on
    the way to them, not reported where they are new and nothing else is in them.
    """
    if idmap.kind == "none":
        return compare(upper or root, lowers, upper is None, stubs)
    what, directory = ("copy", root) if upper is None else ("upper", upper)
    words = [what, str(directory), str(len(lowers)), *map(str, lowers), *stubs]
    fields = os.fsdecode(trees.perform(idmap, __name__, words)).split("\0")[:-1]
    return [Change(field[0], field[1:]) for field in fields]


def main(words: Sequence[str]) -> int:
    """Print the changes of `upper|copy DIRECTORY COUNT LOWER… STUB…`, each ended by a zero byte."""
    what, directory, count, *rest = words
    lowers, stubs = rest[: int(count)], rest[int(count) :]
    found = compare(Path(directory), [Path(lower) for lower in lowers], what == "copy", stubs)
    text = "".join(f"{kind}{path}\0" for kind, path in found)
    with open(1, "wb", closefd=False) as output:
        output.write(os.fsencode(text))
    return 0


def compare(directory: Path, lowers: Sequence[Path], complete: bool, stubs: Collection[str]) -> list[Change]:
    """Compare a directory with merged layers; `complete` when what it lacks counts as deleted."""
    found: dict[str, str] = {}
    is_single = ownership.has_single_id()
    root = os.open(directory, _OPEN_DIRECTORY)
    try:
        pending = [(b"", complete)]
        while pending:
            path, everything = pending.pop()
            mount_points = frozenset(map(os.fsencode, stubs))
            level = _Level(root, path, mount_points, complete=everything, is_single=is_single)
            with merged.opened(lowers) as (below, keep):
                for kind, name in level.changes(_descend(below, path, keep), keep):
                    found[os.fsdecode(b"/" + name)] = kind
            pending += level.below
    finally:
        os.close(root)
    for changed in list(found):
        for parent in list(Path(changed).parents)[:-1]:
            found.setdefault(str(parent), "C")
    return sorted((Change(kind, path) for path, kind in found.items()), key=lambda change: change.path)


def _descend(roots: Sequence[int], path: bytes, keep: Keep) -> Sequence[int]:
    """Return the merged directories at a path, none if it is something else there."""
    directories = roots
    for name in filter(None, path.split(b"/")):
        found = merged.step(directories, name, keep)
        directories = found.directories if found else ()
    return directories


class _Level:
    """One directory that is compared; `below` gathers the directories in it."""

    def __init__(
        self, root: int, path: bytes, stubs: Collection[bytes], *, complete: bool, is_single: bool
    ) -> None:
        self._root = root
        self._path = path
        self._stubs = stubs
        self._complete = complete
        self._is_single = is_single
        self.below: list[tuple[bytes, bool]] = []

    def changes(self, lower: Sequence[int], keep: Keep) -> Iterator[tuple[str, bytes]]:
        directory = syscalls.openat2(self._root, self._path or b".", _OPEN_DIRECTORY, 0, _WITHOUT_LINKS)
        keep(directory)
        complete = self._complete or bool(self._path and overlay.is_opaque(directory))
        names = set(map(os.fsencode, os.listdir(directory)))
        hidden = {name for name in names if name.startswith(overlay.WHITEOUT_PREFIX)}
        names -= hidden
        for name in {name.removeprefix(overlay.WHITEOUT_PREFIX) for name in hidden} - names:
            if merged.step(lower, name, keep) is not None:
                yield "D", self._join(name)
        for name in names:
            path = self._join(name)
            status = os.stat(name, dir_fd=directory, follow_symlinks=False)
            before = merged.step(lower, name, keep)
            if overlay.is_whiteout(status, directory, name):
                if before is not None:
                    yield "D", path
            elif before is not None or not self._is_stub(directory, name, status, path):
                if stat.S_ISDIR(status.st_mode):
                    self.below.append((path, complete))
                if before is None:
                    yield "A", path
                elif _differs(status, before, (directory, name), complete) or (
                    self._is_single and _note_differs(status, before, (directory, name))
                ):
                    yield "C", path
        if complete:
            for name in {os.fsencode(name) for fd in lower for name in os.listdir(fd)} - names:
                if merged.step(lower, name, keep) is not None:
                    yield "D", self._join(name)

    def _join(self, name: bytes) -> bytes:
        return self._path + b"/" + name if self._path else name

    def _is_stub(self, directory: int, name: bytes, status: os.stat_result, path: bytes) -> bool:
        if b"/" + path not in self._stubs:
            return False
        if not stat.S_ISDIR(status.st_mode):
            return status.st_size == 0
        fd = os.open(name, _OPEN_DIRECTORY | os.O_NOFOLLOW, dir_fd=directory)
        try:
            return all(
                self._is_stub(
                    fd, below, os.stat(below, dir_fd=fd, follow_symlinks=False), path + b"/" + below
                )
                for below in map(os.fsencode, os.listdir(fd))
            )
        finally:
            os.close(fd)


def _differs(status: os.stat_result, before: Found, where: tuple[int, bytes], complete: bool) -> bool:
    """Tell whether an entry is another than before; in an upper directory every file is."""
    if before.status is None:
        old = os.fstat(before.directories[0])
        return _identity(status) != _identity(old)
    if not complete or _identity(status) != _identity(before.status):
        return True
    directory, name = where
    if stat.S_ISLNK(status.st_mode):
        return os.readlink(name, dir_fd=directory) != os.readlink(name, dir_fd=before.parent)
    new, old = status, before.status
    return (new.st_size, new.st_mtime_ns, new.st_rdev) != (old.st_size, old.st_mtime_ns, old.st_rdev)


def _note_differs(status: os.stat_result, before: Found, where: tuple[int, bytes]) -> bool:
    """Tell whether another owner is noted beside what is a file or directory as before."""
    if stat.S_ISDIR(status.st_mode):
        return ownership.read_at(*where) != ownership.read(before.directories[0])
    if not stat.S_ISREG(status.st_mode):
        return False
    return ownership.read_at(*where) != ownership.read_at(before.parent, where[1])


def _identity(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_mode, status.st_uid, status.st_gid
