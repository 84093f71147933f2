"""Cgroup v2: one hierarchy, controllers handed down through cgroup.subtree_control.

Source: Documentation/admin-guide/cgroup-v2.rst; conversions as in opencontainers/cgroups and crun.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from typing import NamedTuple

from containerlab.linux.cgroups import devices
from containerlab.linux.cgroups.layout import Place
from containerlab.linux.cgroups.plan import UNIFIED, Line, Plan, Write, parents
from containerlab.linux.cgroups.resources import NEW, Current, Rate, Resources, asked

__all__ = ["V2", "io_weight", "translate", "weight"]

_ALWAYS = ("cpu", "memory", "pids", "io")


class V2(NamedTuple):
    """The v2 hierarchy, as far as this process may use it."""

    base: str
    """The directory below which groups may be made; empty for none."""
    controllers: tuple[str, ...] = ()
    """Those that can be handed down from `base`."""
    handed_down: tuple[str, ...] = ()
    """Those that already are."""
    refused: tuple[tuple[str, str], ...] = ()
    """(controller or "", why not)."""

    alone: bool = True
    """Whether no v1 hierarchy takes part."""

    @classmethod
    def of(cls, place: Place, *, alone: bool) -> V2:
        """Find by asking the kernel which part of the v2 hierarchy may be used."""
        base, crowded = _base(place)
        if not base:
            why = f"{place.own or place.top} is not delegated to uid {os.geteuid()}"
            controllers = _words(f"{place.own or place.top}/cgroup.controllers")
            return cls("", refused=tuple((name, why) for name in (*controllers, UNIFIED)), alone=alone)
        controllers = _words(f"{base}/cgroup.controllers")
        handed_down = _words(f"{base}/cgroup.subtree_control")
        if not crowded:
            return cls(base, controllers, handed_down, alone=alone)
        why = f"{base} holds processes of its own, so the kernel does not let it hand controllers down"
        blocked = tuple((name, why) for name in controllers if name not in handed_down)
        return cls(base, handed_down, handed_down, blocked, alone)

    @property
    def bases(self) -> tuple[tuple[str, str], ...]:
        """(controller, directory below which groups may be made)."""
        return tuple((name, self.base) for name in (*self.controllers, UNIFIED)) if self.base else ()

    def plan(self, path: str, resources: Resources, current: Current = NEW) -> Plan:
        """Return what the v2 hierarchy contributes to the group `path`."""
        if not self.base:
            return Plan()
        wanted = dict.fromkeys((*_ALWAYS, *asked(resources)))
        names = [name for name in wanted if name in self.controllers]
        group = os.path.join(self.base, path)
        rules = resources.devices if self.alone else ()
        return Plan(
            directories=(*((name, group) for name in names), (UNIFIED, group)),
            parents=parents(self.base, path),
            writes=tuple(self._writes(path, names, resources, current)),
            attach=(f"{group}/cgroup.procs",),
            notices=tuple(_lost(resources, names)),
            program=devices.program(rules).hex() if rules else "",
        )

    def _writes(self, path: str, names: list[str], resources: Resources, current: Current) -> Iterator[Write]:
        group = os.path.join(self.base, path)
        missing = [name for name in names if name not in self.handed_down]
        above = [(directory, names) for directory in parents(self.base, path)]
        for directory, wanted in [(self.base, missing), *above]:
            if wanted:
                value = " ".join(f"+{name}" for name in wanted)
                yield Write("cgroup", "cgroup.subtree_control", value, directory, "hand controllers down")
        for name in names:
            for file, value, why, required in translate(name, resources, current):
                yield Write(name, file, value, group, why, required)
        for file, value in resources.unified:
            yield Write(file.partition(".")[0], file, value, group, f"{file} as asked")


def _base(place: Place) -> tuple[str, bool]:
    """Return (the directory to use, whether it holds processes).

    The true root (it has no cgroup.type) may hold processes and still hand controllers down. Elsewhere the
    nearest delegated ancestor without processes is right: to enter a group one needs the right to write
    cgroup.procs of the common ancestor, which everything between it and us then is below.
    """
    if _delegated(place.top) and not os.path.exists(f"{place.top}/cgroup.type"):
        return place.top, False
    nearest, directory = "", place.own
    while directory and _delegated(directory):
        nearest = nearest or directory
        if not _words(f"{directory}/cgroup.procs"):
            return directory, False
        if directory == place.top:
            break
        directory = os.path.dirname(directory)
    return nearest, bool(nearest)


def _delegated(directory: str) -> bool:
    """Whether cgroup.procs and cgroup.subtree_control may be written. Source: cgroup-v2.rst, Delegation."""
    files = (directory, f"{directory}/cgroup.procs", f"{directory}/cgroup.subtree_control")
    return all(os.access(path, os.W_OK) for path in files)


def _words(path: str) -> tuple[str, ...]:
    try:
        with open(path, encoding="utf-8") as file:
            return tuple(file.read().split())
    except OSError:
        return ()


def _lost(resources: Resources, names: list[str]) -> Iterator[str]:
    """What only v1 could do."""
    if "memory" in names and resources.oom_kill_disable:
        yield "the OOM killer stays on: cgroup v2 cannot turn it off"
    if "memory" in names and resources.memory_swappiness is not None:
        yield "no swappiness: cgroup v2 has none for a group"
    if "cpu" in names and (resources.cpu_rt_runtime_usec or resources.cpu_rt_period_usec):
        yield "no real-time quota: cgroup v2 has none"


def translate(controller: str, resources: Resources, current: Current = NEW) -> Iterator[Line]:
    """Yield what to write for one controller."""
    writer = _TRANSLATORS.get(controller)
    return writer(resources, current) if writer else iter(())


def _memory(r: Resources, current: Current) -> Iterator[Line]:
    """Swap is counted by itself here, so its limit is the difference. It comes first: a lower memory limit
    would otherwise push pages out to swap that is about to be forbidden."""
    memory = current.memory_bytes if r.memory_bytes is None else r.memory_bytes
    if r.memory_swap_bytes is not None:
        swap = _swap(r.memory_swap_bytes, memory)
        yield "memory.swap.max", swap, "limit of memory and swap", False
    if r.memory_bytes is not None:
        yield "memory.max", _number(r.memory_bytes), "memory limit", True
    if r.memory_reservation_bytes is not None:
        yield "memory.low", _number(r.memory_reservation_bytes), "memory reservation", True


def _swap(memory_swap_bytes: int, memory_bytes: int | None) -> str:
    if memory_swap_bytes < 0 or memory_bytes is None or memory_bytes < 0:
        return "max"
    return str(max(memory_swap_bytes - memory_bytes, 0))


def _number(value: int) -> str:
    return "max" if value < 0 else str(value)


def _cpu(r: Resources, _: Current) -> Iterator[Line]:
    if r.cpu_shares:
        yield "cpu.weight", str(weight(r.cpu_shares)), "share of cpu time", True
    if r.cpu_idle is not None:
        yield "cpu.idle", str(r.cpu_idle), "only idle cpu time", True
    if r.cpu_quota_usec is not None or r.cpu_period_usec is not None:
        quota = "max" if r.cpu_quota_usec is None or r.cpu_quota_usec <= 0 else str(r.cpu_quota_usec)
        # Without a period the kernel keeps the one in force.
        period = f" {r.cpu_period_usec}" if r.cpu_period_usec else ""
        yield "cpu.max", quota + period, "cpu quota in each period", True
    if r.cpu_burst_usec is not None:
        yield "cpu.max.burst", str(r.cpu_burst_usec), "unused quota that may be saved", True


def weight(shares: int) -> int:
    """Turn v1 cpu shares (2…262144, usual 1024) into a v2 weight (1…10000, usual 100).

    Source: opencontainers/cgroups, ConvertCPUSharesToCgroupV2Value; a curve through all three points.

    >>> weight(2), weight(1024), weight(262144)
    (1, 100, 10000)
    """
    if shares <= 2:
        return 1
    if shares >= 262144:
        return 10000
    power = math.log2(shares)
    return math.ceil(10 ** ((power * power + 125 * power) / 612 - 7 / 34))


def _cpuset(r: Resources, _: Current) -> Iterator[Line]:
    if r.cpuset_cpus:
        yield "cpuset.cpus", r.cpuset_cpus, "processors to run on", True
    if r.cpuset_mems:
        yield "cpuset.mems", r.cpuset_mems, "memory nodes to use", True


def _pids(r: Resources, _: Current) -> Iterator[Line]:
    if r.pids_max is not None:
        yield "pids.max", str(r.pids_max) if r.pids_max > 0 else "max", "limit of processes and threads", True


def _io(r: Resources, _: Current) -> Iterator[Line]:
    if r.io_weight is not None:
        yield "io.bfq.weight", str(r.io_weight), "block I/O weight", False
        yield "io.weight", f"default {io_weight(r.io_weight)}", "block I/O weight", False
    for rate in r.io_weight_devices:
        device, why = f"{rate.major}:{rate.minor}", f"block I/O weight of {rate.major}:{rate.minor}"
        yield "io.bfq.weight", f"{device} {rate.rate}", why, False
        yield "io.weight", f"{device} {io_weight(rate.rate)}", why, False
    for device, limits in _throttles(r).items():
        yield "io.max", f"{device} {' '.join(limits)}", f"limits of device {device}", True


def _throttles(r: Resources) -> dict[str, list[str]]:
    names: tuple[tuple[str, tuple[Rate, ...]], ...] = (
        ("rbps", r.read_bps),
        ("wbps", r.write_bps),
        ("riops", r.read_iops),
        ("wiops", r.write_iops),
    )
    limits: dict[str, list[str]] = {}
    for name, rates in names:
        for rate in rates:
            limits.setdefault(f"{rate.major}:{rate.minor}", []).append(f"{name}={rate.rate or 'max'}")
    return limits


def io_weight(blkio: int) -> int:
    """Turn a v1 block I/O weight (10…1000) into a v2 one (1…10000). Source: crun, runc.

    >>> io_weight(10), io_weight(1000)
    (1, 10000)
    """
    return 1 + (max(blkio, 10) - 10) * 9999 // 990


def _hugetlb(r: Resources, _: Current) -> Iterator[Line]:
    for size, limit in r.hugetlb:
        yield f"hugetlb.{size}.max", _number(limit), f"limit of {size} pages", True


_TRANSLATORS: dict[str, Callable[[Resources, Current], Iterator[Line]]] = {
    "memory": _memory,
    "cpu": _cpu,
    "cpuset": _cpuset,
    "pids": _pids,
    "io": _io,
    "hugetlb": _hugetlb,
}
