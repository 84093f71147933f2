"""How much trees take on disk; runs as a process in the user namespace whose
ids the files have."""

from __future__ import annotations

import os
from collections.abc import Sequence

__all__ = ["main", "size_bytes"]


def main(words: Sequence[str]) -> int:
    """Print the sizes of the trees that the words name, a line each."""
    for path in words:
        print(size_bytes(path))
    return 0


def size_bytes(path: str) -> int:
    """Return the bytes that all files of a tree take on disk, each file counted once."""
    seen = set()
    total = 0
    for directory, _, names, fd in os.fwalk(path):
        del directory
        for name in names:
            try:
                found = os.stat(name, dir_fd=fd, follow_symlinks=False)
            except FileNotFoundError:  # a running container removed it
                continue
            if (found.st_dev, found.st_ino) not in seen:
                seen.add((found.st_dev, found.st_ino))
                total += found.st_blocks * 512
    return total
