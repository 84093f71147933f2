"""How much trees take on disk; runs as a process in the user namespace whose
ids the files have."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence

__all__ = ["main", "size_bytes"]


def main(words: Sequence[str]) -> int:
    """Print the sizes of the trees that the words name, a line each."""
    for path in words:
        print(size_bytes(path))
    return 0


def size_bytes(path: str) -> int:
    """Return the bytes that all files of a tree take on disk, each file counted once; 0 if it is gone."""
    sizes: dict[tuple[int, int], int] = {}
    with contextlib.suppress(FileNotFoundError):  # the whole tree was removed meanwhile
        for _, _, names, fd in os.fwalk(path):
            for name in names:
                with contextlib.suppress(FileNotFoundError):  # a running container removed it
                    found = os.stat(name, dir_fd=fd, follow_symlinks=False)
                    sizes[found.st_dev, found.st_ino] = found.st_blocks * 512
    return sum(sizes.values())
