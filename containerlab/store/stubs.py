"""Mount points that a runtime made in a root file system, and that are to leave no trace in its layer.

A mount needs something to lie on, so the runtime makes an empty file or directory where there is none, with
the directories on the way to it. In an overlay that copies the directory above up, which is then no change
either. Where they were made is found as the runtime found it: in the layers as they were at the start,
links followed.
Runs in the user namespace whose ids the files have, with only the standard library.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from containerlab.linux import syscalls
from containerlab.linux.idmap import IdMap
from containerlab.store import merged, overlay, ownership, trees
from containerlab.store.merged import Keep
from containerlab.store.xattrs import read_xattrs

__all__ = ["clear", "main"]

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_WITHOUT_LINKS = syscalls.RESOLVE_BENEATH | syscalls.RESOLVE_NO_SYMLINKS
_MOST_LINKS = 40


def clear(
    directory: Path, lowers: Sequence[Path], stubs: Collection[str], idmap: IdMap, *, is_copy: bool = False
) -> None:
    """Remove the mount points of a container that has ended from what it wrote.

    directory: its upper directory, or the root of a snapshot that is a copy. lowers: the unpacked layers
    that it began with, topmost first. stubs: absolute paths of everything that was mounted. What is not
    empty, or was there before, stays; times of directories that stay are kept.

    Raises: NotPermitted.
    """
    if idmap.kind == "none":
        _clear(directory, lowers, stubs, is_copy)
        return
    words = ["copy" if is_copy else "upper", str(directory), str(len(lowers)), *map(str, lowers), *stubs]
    trees.perform(idmap, __name__, words)


def main(words: Sequence[str]) -> int:
    """Clear `upper|copy DIRECTORY COUNT LOWER… STUB…`."""
    what, directory, count, *rest = words
    lowers, stubs = rest[: int(count)], rest[int(count) :]
    _clear(Path(directory), [Path(lower) for lower in lowers], stubs, what == "copy")
    return 0


def _clear(directory: Path, lowers: Sequence[Path], stubs: Collection[str], is_copy: bool) -> None:
    root = os.open(directory, _DIRECTORY)
    try:
        # Those below first, so that what they leave empty can go.
        for stub in sorted(stubs, key=lambda path: path.count("/"), reverse=True):
            with merged.opened(lowers) as (below, keep):
                made = _place(below, stub, keep)
                if made:
                    _remove_upwards(root, made, below, is_copy)
    finally:
        os.close(root)


def _place(lowers: Sequence[int], path: str, keep: Keep) -> list[bytes]:
    """Return the names on the way to a path, links followed in the layers; none if it was there already."""
    trail: list[tuple[bytes, Sequence[int]]] = []
    pending = os.fsencode(path).split(b"/")[::-1]
    links = 0
    while pending:
        name = pending.pop()
        if name == b"..":
            trail = trail[:-1]
        if name in (b"", b".", b".."):
            continue
        directories = trail[-1][1] if trail else lowers
        found = merged.step(directories, name, keep) if directories else None
        if found and found.status and stat.S_ISLNK(found.status.st_mode) and links < _MOST_LINKS:
            links += 1
            target = os.readlink(name, dir_fd=found.parent)
            trail = [] if target.startswith(b"/") else trail
            pending += target.split(b"/")[::-1]
        elif found and not pending:
            return []
        else:
            trail.append((name, found.directories if found else ()))
    return [name for name, _ in trail]


def _remove_upwards(root: int, names: list[bytes], lowers: Sequence[int], is_copy: bool) -> None:
    """Remove the last of some names if it is an empty stub, then what was there only for its sake."""
    for count in range(len(names), 0, -1):
        above, name = b"/".join(names[: count - 1]), names[count - 1]
        try:
            parent = syscalls.openat2(root, above or b".", _DIRECTORY, 0, _WITHOUT_LINKS)
        except OSError:  # a program has put something else there, or it was never copied up
            return
        try:
            if not _is_removed(parent, name, names[:count], lowers, is_copy):
                return
        finally:
            os.close(parent)


def _is_removed(
    parent: int, name: bytes, path: Sequence[bytes], lowers: Sequence[int], is_copy: bool
) -> bool:
    """Remove one stub, or directory above it, if nothing tells that a program wanted it."""
    try:
        found = os.stat(name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return True  # another stub was below the same directory
    is_directory = stat.S_ISDIR(found.st_mode)
    with _merged_at(path, lowers) as before:
        if before and (is_copy or not is_directory or not _is_unchanged(parent, name, before)):
            return False
    with _times_kept(parent):
        if is_directory:
            return _is_rmdired(parent, name)
        if stat.S_ISREG(found.st_mode) and found.st_size == 0:
            os.unlink(name, dir_fd=parent)
            return True
    return False


@contextlib.contextmanager
def _merged_at(path: Sequence[bytes], lowers: Sequence[int]) -> Iterator[Sequence[int]]:
    """Give the directories that the layers have at a path, none if there is no directory."""
    with merged.opened(()) as (_, keep):
        directories = lowers
        for name in path:
            found = merged.step(directories, name, keep)
            directories = found.directories if found else ()
        yield directories


def _is_unchanged(parent: int, name: bytes, before: Sequence[int]) -> bool:
    """Say whether a directory in an upper one is only a copy of what lies below; its time does not count."""
    fd = os.open(name, _DIRECTORY, dir_fd=parent)
    try:
        return not overlay.is_opaque(fd) and _identity(fd) == _identity(before[0])
    finally:
        os.close(fd)


def _identity(directory: int) -> tuple[object, ...]:
    found = os.fstat(directory)
    return found.st_mode, found.st_uid, found.st_gid, ownership.read(directory), read_xattrs(directory)


def _is_rmdired(parent: int, name: bytes) -> bool:
    try:
        os.rmdir(name, dir_fd=parent)
    except OSError:  # something is in it
        return False
    return True


@contextlib.contextmanager
def _times_kept(directory: int) -> Iterator[None]:
    """Let the times of a directory be what they were, as if nothing had been in it."""
    before = os.fstat(directory)
    yield
    os.utime(directory, ns=(before.st_atime_ns, before.st_mtime_ns))
