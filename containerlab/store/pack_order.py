"""What is to be packed, in words too, for it may have to be done by another process; see `pack`.

Only the standard library.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from containerlab.store import ownership, pack
from containerlab.store.changes import compare
from containerlab.store.owners import Noted, Owners
from containerlab.store.ownership import Owner
from containerlab.store.pack import Write

__all__ = ["Order", "perform"]


class Order(NamedTuple):
    """What to pack.

    kind: "change-set", of an overlay's upper directory; "copy": what a copy of merged layers differs in;
        "tree": a whole file system.
    lowers: the unpacked layers below, topmost first. skip: paths relative to the root that are left out.
    newest_s: what is younger gets this time. table, creator: see `owners.Noted`.
    """

    kind: str
    directory: str
    lowers: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    newest_s: int | None = None
    table: str = ""
    creator: Owner | None = None

    @property
    def words(self) -> list[str]:
        """Return it as words, for `parse`."""
        newest = "" if self.newest_s is None else str(self.newest_s)
        creator = "{}:{}".format(*self.creator) if self.creator else ""
        counted = [str(len(self.lowers)), *self.lowers]
        return [self.kind, self.directory, newest, self.table, creator, *counted, *self.skip]

    @staticmethod
    def parse(words: Sequence[str]) -> Order:
        """Return the order that words stand for."""
        kind, directory, newest, table, creator, count, *rest = words
        lowers, skip = tuple(rest[: int(count)]), tuple(rest[int(count) :])
        owner = Owner(*map(int, creator.split(":"))) if creator else None
        return Order(kind, directory, lowers, skip, int(newest) if newest else None, table, owner)

    @property
    def owners(self) -> Owners:
        """Return who tells the owners, for this process's ids."""
        noted = Noted(self.table, self.creator, self.lowers)
        return Owners(noted, is_single=ownership.has_single_id())


def perform(order: Order, write: Write) -> None:
    """Pack, and hand the archive to a function in pieces."""
    newest_s = math.inf if order.newest_s is None else order.newest_s
    root = os.open(order.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        match order.kind:
            case "change-set":
                skip = frozenset(map(os.fsencode, order.skip))
                pack.write_change_set(root, write, skip, newest_s, order.owners)
            case "copy":
                pack.write_changes(root, write, _changes(order), newest_s, order.owners)
            case "tree":
                pack.write_tree(root, b".", write, b"")
    finally:
        os.close(root)


def _changes(order: Order) -> Iterator[tuple[str, str]]:
    skip = {f"/{path}" for path in order.skip}
    lowers = [Path(lower) for lower in order.lowers]
    found = compare(Path(order.directory), lowers, complete=True, stubs=())
    return (change for change in found if change.path not in skip)
