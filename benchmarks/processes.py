"""Processes of the host: who descends from whom, and how much memory is theirs."""

from __future__ import annotations

import os
from collections.abc import Iterator

__all__ = ["launcher_and_monitors_of", "proportional_bytes", "with_descendants"]


def launcher_and_monitors_of(pid: int) -> list[int]:
    """Return the launcher that a client started, and the monitors that wait for its next requests."""
    launcher = next(child for child in _children(pid) if b"containerlab.runtime.launcher" in _words(child))
    return [launcher, *_children(launcher)]


def with_descendants(marks: tuple[str, ...]) -> list[int]:
    """Return the processes whose command line holds all marks, and all their descendants."""
    wanted = [mark.encode() for mark in marks]
    found = [pid for pid in _all() if pid != os.getpid() and all(mark in _words(pid) for mark in wanted)]
    for pid in found:
        found += [child for child in _children(pid) if child not in found]
    return found


def proportional_bytes(pids: list[int]) -> int:
    """Return their proportional set size: a page shared by n processes counts as 1/n for each."""
    return sum(_pss(pid) for pid in pids)


def _all() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdecimal()]


def _children(pid: int) -> Iterator[int]:
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/children") as file:
            yield from map(int, file.read().split())


def _words(pid: int) -> bytes:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def _pss(pid: int) -> int:
    with open(f"/proc/{pid}/smaps_rollup") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("Pss:"))
