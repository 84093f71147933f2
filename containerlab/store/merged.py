"""What overlayfs would show of directories that lie above each other, without a mount.

Only the standard library: `changes` and `copy` use it inside a user namespace too.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from containerlab.store import overlay

__all__ = ["Found", "find", "opened", "read_file", "step"]

_OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_OPEN_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_MOST_LINKS = 40
_MOST_BYTES = 1 << 20


class Found(NamedTuple):
    """What a name stands for: open directories that are shown as one, topmost first, or something else.

    parent, status: the directory that has it, and what it is; None for a directory.
    """

    directories: tuple[int, ...]
    parent: int = -1
    status: os.stat_result | None = None


Keep = Callable[[int], None]
"""Takes the responsibility to close a descriptor."""


def step(directories: Sequence[int], name: bytes, keep: Keep) -> Found | None:
    """Return what merged directories show under a name, or None."""
    merged: list[int] = []
    for directory in directories:
        try:
            status = os.stat(name, dir_fd=directory, follow_symlinks=False)
        except FileNotFoundError:
            if overlay.is_deleted(directory, name):
                break
            continue
        if overlay.is_whiteout(status, directory, name):
            break
        if not stat.S_ISDIR(status.st_mode):
            if merged:
                break
            return Found((), directory, status)
        fd = os.open(name, _OPEN_DIRECTORY, dir_fd=directory)
        keep(fd)
        merged.append(fd)
        if overlay.is_opaque(fd):
            break
    return Found(tuple(merged)) if merged else None


def find(roots: Sequence[int], path: str | bytes, keep: Keep) -> tuple[Found, bytes] | None:
    """Return what a path stands for and its last name, links followed as in a container; None if nothing."""
    trail: list[Sequence[int]] = [roots]
    pending = os.fsencode(path).split(b"/")[::-1]
    links = 0
    while pending:
        name = pending.pop()
        if name == b"..":
            trail = trail[:-1] or [roots]
        if name in (b"", b".", b".."):
            continue
        found = step(trail[-1], name, keep)
        if found is None:
            return None
        if found.status is None:
            trail.append(found.directories)
        elif stat.S_ISLNK(found.status.st_mode) and links < _MOST_LINKS:
            links += 1
            target = os.readlink(name, dir_fd=found.parent)
            trail = [roots] if target.startswith(b"/") else trail
            pending += target.split(b"/")[::-1]
        else:
            return None if any(pending) else (found, name)
    return Found(tuple(trail[-1])), b""


@contextlib.contextmanager
def opened(directories: Sequence[Path]) -> Iterator[tuple[list[int], Keep]]:
    """Open directories, and close them and all that is kept at the end."""
    descriptors: list[int] = []
    try:
        for directory in directories:
            descriptors.append(os.open(directory, _OPEN_DIRECTORY))
        yield descriptors[:], descriptors.append
    finally:
        for fd in descriptors:
            os.close(fd)


def read_file(lowers: Sequence[Path], upper: Path | None, path: str) -> bytes | None:
    """Return the first MiB of a regular file as a container would read it, or None if there is none.

    Follows links as the container would, never out of it; does not block on a FIFO or touch a device.
    """
    layers = [*([upper] if upper else ()), *lowers]
    with opened(layers) as (roots, keep), contextlib.suppress(PermissionError):
        match = find(roots, path, keep)
        if match is None or match[0].status is None or not stat.S_ISREG(match[0].status.st_mode):
            return None
        fd = os.open(match[1], _OPEN_FILE, dir_fd=match[0].parent)
        keep(fd)
        return _content(fd) if stat.S_ISREG(os.fstat(fd).st_mode) else None
    return None


def _content(fd: int) -> bytes:
    content = b""
    while len(content) < _MOST_BYTES and (more := os.read(fd, _MOST_BYTES - len(content))):
        content += more
    return content
