"""Who owns files of unpacked layers, also where the kernel knows but one id: see `store/ownership.py`.

Only the standard library: see `store/trees.py`.
"""

from __future__ import annotations

import os

from containerlab.store import ownership

__all__ = ["NotedOwners"]


class NotedOwners:
    """Tells the owners of open files and folders, as ids of the map."""

    def __init__(self) -> None:
        self.are_noted = ownership.has_single_id()

    def of(self, fd: int, status: os.stat_result) -> tuple[int, int]:
        """Return the uid and gid of an open file."""
        noted = ownership.read(fd) if self.are_noted else None
        return noted or (status.st_uid, status.st_gid)
