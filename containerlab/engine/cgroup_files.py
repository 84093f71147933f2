"""The files of a container's cgroup: what is in them, and what that means."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import NamedTuple

from containerlab import units

__all__ = ["Limit", "limits"]

_UNLIMITED = 1 << 62
"""Version 1 writes "no limit" as the largest multiple of the page size. Source: mm/page_counter.c."""


class Limit(NamedTuple):
    """A file of a container's cgroup with what is in it; `means` is for people."""

    directory: str
    file: str
    value: str
    means: str = ""


def limits(directory: str) -> Iterator[Limit]:
    """Yield the files of one directory that are there, in the order of the table below.

    Raises: nothing for a file that is missing or cannot be read: controllers and kernels differ.
    """
    for name, meaning in _FILES.items():
        value = _content(directory, name)
        if value is not None:
            yield Limit(directory, name, value, meaning(value, directory))


def _content(directory: str, name: str) -> str | None:
    try:
        with open(os.path.join(directory, name), encoding="ascii") as file:
            return " ".join(file.read().split())
    except OSError:
        return None


def _nothing(value: str, directory: str) -> str:
    return ""


def _size(value: str, directory: str) -> str:
    if value == "max" or int(value) >= _UNLIMITED:
        return "no limit"
    return units.format_size(int(value))


def _most(value: str, directory: str) -> str:
    return "no limit" if value in ("max", "") else ""


def _quota(value: str, directory: str) -> str:
    """Read version 1, where the period is in another file."""
    return _cores(int(value), int(_content(directory, "cpu.cfs_period_us") or 0))


def _cpu_max(value: str, directory: str) -> str:
    quota, period = value.split()
    return _cores(-1 if quota == "max" else int(quota), int(period))


def _cores(quota_us: int, period_us: int) -> str:
    if quota_us < 0 or not period_us:
        return "no limit"
    return (
        f"{quota_us / period_us:g} of a core" if quota_us < period_us else f"{quota_us / period_us:g} cores"
    )


def _oom(value: str, directory: str) -> str:
    return "the OOM killer is off" if "oom_kill_disable 1" in value else ""


def _duration(value: str, directory: str) -> str:
    return units.format_seconds(int(value) / 1e9)


def _count(value: str, directory: str) -> str:
    number = len(value.split())
    return f"{number} process{'' if number == 1 else 'es'}"


def _freeze(value: str, directory: str) -> str:
    return {"0": "runs", "1": "frozen", "THAWED": "runs", "FROZEN": "frozen"}.get(value, "")


_FILES: dict[str, Callable[[str, str], str]] = {
    **dict.fromkeys(("memory.max", "memory.high", "memory.low", "memory.swap.max"), _size),
    **dict.fromkeys(("memory.current", "memory.peak"), _size),
    "cpu.max": _cpu_max,
    "cpu.weight": _nothing,
    **dict.fromkeys(("cpuset.cpus", "cpuset.mems"), _nothing),
    "pids.max": _most,
    "pids.current": _nothing,
    "io.max": _most,
    "io.weight": _nothing,
    **dict.fromkeys(("memory.limit_in_bytes", "memory.memsw.limit_in_bytes"), _size),
    **dict.fromkeys(("memory.soft_limit_in_bytes", "memory.usage_in_bytes"), _size),
    "memory.max_usage_in_bytes": _size,
    "memory.swappiness": _nothing,
    "memory.oom_control": _oom,
    "cpu.cfs_quota_us": _quota,
    "cpu.cfs_period_us": _nothing,
    "cpu.shares": _nothing,
    **dict.fromkeys(("cpu.rt_runtime_us", "cpu.rt_period_us"), _nothing),
    "cpuacct.usage": _duration,
    **dict.fromkeys(("io.bfq.weight", "blkio.weight", "blkio.bfq.weight"), _nothing),
    **dict.fromkeys(("blkio.weight_device", "blkio.bfq.weight_device"), _nothing),
    **{
        f"blkio.throttle.{direction}_{what}_device": _most
        for direction in ("read", "write")
        for what in ("bps", "iops")
    },
    **{
        f"hugetlb.{page}.{file}": _size
        for page in ("64KB", "2MB", "32MB", "512MB", "1GB", "16GB")
        for file in ("max", "limit_in_bytes")
    },
    "devices.list": _nothing,
    "freezer.state": _freeze,
    "cgroup.freeze": _freeze,
    "cgroup.procs": _count,
}
"""What is shown, and how each is read. Sources: admin-guide/cgroup-v1, admin-guide/cgroup-v2.rst."""
