"""Who owns the files of a tree that is packed: what the kernel says, or what is noted beside them.

Only the standard library: see `pack`.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from containerlab.store import merged, overlay, ownership
from containerlab.store.ownership import ROOT, Owner, Table

__all__ = ["Noted", "Owners", "noted"]


class Noted(NamedTuple):
    """What is known of the owners in a container's files, beside what is noted at them.

    table: the container's, for what can have no attributes. creator: its user, whose files the kernel
    cannot tell from those of the layers when it has the only id; None for root. lowers: the unpacked layers
    that it began with, topmost first.
    """

    table: str = ""
    creator: Owner | None = None
    lowers: tuple[str, ...] = ()


def noted(directory: str, user: tuple[int, int], lowers: Sequence[Path]) -> Noted:
    """Return what is known of a container by its directory and its user's ids."""
    creator = Owner(*user) if user != ROOT else None
    return Noted(f"{directory}/{ownership.TABLE_NAME}", creator, tuple(map(os.fspath, lowers)))


class Owners:
    """Tells owners; where there is more than one id, the kernel knows all."""

    def __init__(self, noted: Noted, *, is_single: bool) -> None:
        self._is_single = is_single
        self._noted = noted
        self._table = Table(noted.table if self._is_single else "")

    def of_open(self, fd: int, found: os.stat_result) -> Owner:
        """Return the owner of an open file or directory.

        What the container's user made is noted at the file: once it is a layer, nobody could tell.
        """
        usual = Owner(found.st_uid, found.st_gid)
        if not self._is_single:
            return usual
        noted, creator = ownership.read(fd), self._noted.creator
        if noted or creator is None:
            return noted or usual
        if overlay.is_copied_up(fd):
            return ROOT
        ownership.write(fd, creator, found.st_mode)
        return creator

    def of_other(self, path: bytes, found: os.stat_result, target: bytes) -> Owner:
        """Return the owner of a link to `target`, or of a pipe or device, which has none."""
        usual = Owner(found.st_uid, found.st_gid)
        if not self._is_single or not self._noted.lowers:
            return usual
        before = _find(self._noted.lowers, path, found, target)
        # Copied up, it had the number of the one below as long as the overlay was mounted.
        numbers = (found.st_ino, *((before.st_ino,) if before else ()))
        noted = next(filter(None, (self._table.get(number, target) for number in numbers)), None)
        return noted or (ROOT if before else self._noted.creator) or usual


def _find(lowers: Sequence[str], path: bytes, found: os.stat_result, target: bytes) -> os.stat_result | None:
    """Return what the layers have at a path if an entry can have been copied up from it."""
    with merged.opened([Path(lower) for lower in lowers]) as (roots, keep):
        *above, name = path.split(b"/")
        directories: Sequence[int] = roots
        for part in above:
            step = merged.step(directories, part, keep)
            directories = step.directories if step else ()
        below = merged.step(directories, name, keep)
        if below is None or below.status is None:
            return None
        if stat.S_IFMT(below.status.st_mode) != stat.S_IFMT(found.st_mode):
            return None
        if stat.S_ISLNK(found.st_mode) and os.readlink(name, dir_fd=below.parent) != target:
            return None
        return below.status
