"""The process that turns a directory into a tar stream on standard output; see `pack`."""

from __future__ import annotations

import os
from collections.abc import Sequence

from containerlab.store import pack

__all__ = ["main"]


def main(words: Sequence[str]) -> int:
    """Write `change-set DIRECTORY SKIP…` or `tree DIRECTORY`."""
    what, directory, *skip = words
    root = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    if what == "change-set":
        pack.write_change_set(root, _write, frozenset(map(os.fsencode, skip)))
    else:
        pack.write_tree(root, b".", _write, b"")
    return 0


def _write(data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(1, view) :]
