"""The process that turns a directory into a tar stream on standard output; see `pack`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from containerlab.linux.files import write_all
from containerlab.store import pack
from containerlab.store.changes import compare

__all__ = ["main"]


def main(words: Sequence[str]) -> int:
    """Write `change-set DIRECTORY SKIP…`, `tree DIRECTORY` or `copy DIRECTORY COUNT LOWER… SKIP…`.

    The last is a copy of merged layers, topmost first, from which it is told apart.
    """
    what, directory, *rest = words
    root = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    if what == "change-set":
        pack.write_change_set(root, _write, frozenset(map(os.fsencode, rest)))
    elif what == "copy":
        count = int(rest[0])
        lowers, skip = (
            [Path(lower) for lower in rest[1 : count + 1]],
            {f"/{path}" for path in rest[count + 1 :]},
        )
        found = compare(Path(directory), lowers, complete=True, stubs=())
        pack.write_changes(root, _write, (change for change in found if change.path not in skip))
    else:
        pack.write_tree(root, b".", _write, b"")
    return 0


def _write(data: bytes) -> None:
    write_all(1, data)
