"""Where the runtime mounts something in a container, and so may have made a place for it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import PurePosixPath

from containerlab.store.records import Record

__all__ = ["targets", "with_ways"]

_ALWAYS = (
    *("/proc", "/sys", "/dev", "/dev/console", "/dev/mqueue", "/dev/pts", "/dev/shm"),
    *("/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/etc/apt/apt.conf.d/99containerlab"),
)


def targets(record: Record, secrets: Iterable[str] = ()) -> list[str]:
    """Return the absolute paths of everything that is mounted in a container.

    secrets: targets of secret files, which no record tells of.
    """
    wanted = (*(request.target for request in record.mounts), *secrets)
    return sorted({*_ALWAYS, *map(os.path.normpath, wanted)})


def with_ways(record: Record) -> list[str]:
    """Return the same, and the directories on the way."""
    found = set(targets(record))
    ways = {str(parent) for target in found for parent in PurePosixPath(target).parents}
    return sorted((found | ways) - {"/"})
