"""Who owns files of unpacked layers, also where the kernel knows but one id.

There the owner is noted in an extended attribute, `user.containers.override_stat`: "UID:GID:MODE".
Only the standard library: see `store/trees.py`.
Source: containers/storage, pkg/idtools; fuse-overlayfs.
"""

from __future__ import annotations

import os
import re

__all__ = ["NotedOwners"]

_ATTRIBUTE = "user.containers.override_stat"
_NOTE = re.compile(rb"([0-9]{1,10}):([0-9]{1,10})(?::.*)?", re.DOTALL)
_NO_ID = 0xFFFFFFFF


class NotedOwners:
    """Tells the owners of open files and folders, as ids of the map."""

    def __init__(self) -> None:
        self.are_noted = _has_single_id()

    def of(self, fd: int, status: os.stat_result) -> tuple[int, int]:
        """Return the uid and gid of an open file."""
        if self.are_noted:
            try:
                match = _NOTE.fullmatch(os.getxattr(fd, _ATTRIBUTE))
            except OSError:
                match = None
            if match is not None and int(match[1]) < _NO_ID and int(match[2]) < _NO_ID:
                return int(match[1]), int(match[2])
        return status.st_uid, status.st_gid


def _has_single_id() -> bool:
    """Tell whether this process is in a user namespace with one id."""
    with open("/proc/self/uid_map") as file:
        lines = file.read().splitlines()
    return len(lines) == 1 and lines[0].split()[2] == "1"
