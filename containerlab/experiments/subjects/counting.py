"""What instances take: processes, memory, disk, as the host sees them."""

from __future__ import annotations

import os
from collections.abc import Iterable

from containerlab.linux.cgroups import counters, hierarchy
from containerlab.linux.cgroups.plan import Plan

__all__ = ["allocated_bytes", "descendants", "memory_bytes", "memory_bytes_around", "parent", "with_parent"]

_BLOCK_BYTES = 512
"""The unit of st_blocks, whatever the file system's own is. Source: inode(7)."""


def descendants(pids: Iterable[int]) -> list[int]:
    """Return processes and all that descend from them; those that have ended are left out."""
    found = [pid for pid in pids if pid > 0 and os.path.exists(f"/proc/{pid}")]
    for pid in found:
        try:
            for task in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{task}/children") as file:
                    found += [int(word) for word in file.read().split()]
        except (FileNotFoundError, ProcessLookupError):
            continue
    return sorted(set(found))


def memory_bytes(group: Plan | None) -> int | None:
    """Return what a group's memory controller counts, None where there is none."""
    if group is None:
        return None
    with counters.Reader(group, frozenset(("memory.usage_in_bytes", "memory.current"))) as reader:
        return reader.read().memory_bytes


def memory_bytes_around(pid: int) -> int | None:
    """Return what the memory controller counts for the group that a process is in, 0 being none."""
    return memory_bytes(hierarchy.of_process(pid)) if pid else None


def allocated_bytes(directory: str) -> int:
    """Return what the files below a directory take on disk: holes do not count, nor what is mounted there."""
    device = os.lstat(directory).st_dev
    total = os.lstat(directory).st_blocks
    for path, directories, files in os.walk(directory):
        for name in (*files, *list(directories)):
            try:
                found = os.lstat(os.path.join(path, name))
            except FileNotFoundError:
                continue
            if found.st_dev == device:
                total += found.st_blocks
            elif name in directories:
                directories.remove(name)
    return total * _BLOCK_BYTES


def with_parent(pid: int) -> list[int]:
    """Return a process, all that descend from it, and its parent, which an engine has look after it."""
    return sorted({*descendants([pid]), parent(pid)} - {0, 1}) if pid else []


def parent(pid: int) -> int:
    """Return a process's parent, 0 when it is gone."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return int(file.read().rpartition(")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return 0
