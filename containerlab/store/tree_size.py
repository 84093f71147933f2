"""How much a tree takes on disk; runs as a process in the user namespace whose ids the files have."""

from __future__ import annotations

import os
from collections.abc import Sequence

__all__ = ["main", "size_bytes"]


def main(words: Sequence[str]) -> int:
    """Print the size of the tree that the word names."""
    print(size_bytes(words[0]))
    return 0


def size_bytes(path: str) -> int:
    """Return the bytes that all files of a tree take on disk, each file counted once."""
    seen = set()
    total = 0
    for directory, _, names, fd in os.fwalk(path):
        del directory
        for name in names:
            found = os.stat(name, dir_fd=fd, follow_symlinks=False)
            if (found.st_dev, found.st_ino) not in seen:
                seen.add((found.st_dev, found.st_ino))
                total += found.st_blocks * 512
    return total
