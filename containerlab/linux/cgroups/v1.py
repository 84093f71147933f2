"""Cgroup v1: each controller a hierarchy of its own, or co-mounted with others.

Source: Documentation/admin-guide/cgroup-v1/*.rst; opencontainers/runtime-spec config-linux.md.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import NamedTuple

from containerlab.linux.cgroups.layout import NEUTRAL, Place
from containerlab.linux.cgroups.plan import Line, Plan, Write, parents
from containerlab.linux.cgroups.resources import NEW, Current, DeviceRule, Rate, Resources, asked

__all__ = ["V1", "device_line", "translate"]

_ALWAYS = ("cpu", "memory", "devices", "pids", "io")
_WITHOUT_UNIFIED = ("cpuacct", "freezer")
"""What the v2 directory of a hybrid host does better: it counts cpu time and freezes by itself."""


class V1(NamedTuple):
    """The v1 hierarchies that this process may use."""

    bases: tuple[tuple[str, str], ...]
    """(controller, directory below which groups may be made)."""
    refused: tuple[tuple[str, str], ...] = ()
    """(controller, why not)."""
    cpus: str = ""
    mems: str = ""
    """What a cpuset gets that was given nothing: on v1 an empty one admits nobody."""

    alone: bool = True
    """Whether no v2 directory takes part."""

    @classmethod
    def of(cls, places: tuple[Place, ...], *, alone: bool) -> V1:
        """Find by asking the kernel which of the v1 hierarchies may be used."""
        bases, refused, cpus, mems = [], [], "", ""
        for place in places:
            base = next((d for d in (place.top, place.own) if d and os.access(d, os.W_OK | os.X_OK)), "")
            for controller in place.controllers:
                name = NEUTRAL.get(controller, controller)
                if base:
                    bases.append((name, base))
                else:
                    refused.append((name, f"{place.own or place.top} is not writable for uid {os.geteuid()}"))
            if base and "cpuset" in place.controllers:
                cpus, mems = (_read(f"{base}/cpuset.effective_{what}") for what in ("cpus", "mems"))
        return cls(tuple(bases), tuple(refused), cpus, mems, alone)

    def plan(self, path: str, resources: Resources, current: Current = NEW) -> Plan:
        """Return what the v1 hierarchies contribute to the group `path`."""
        wanted = {*_ALWAYS, *asked(resources), *(_WITHOUT_UNIFIED if self.alone else ())}
        bases = [(name, base) for name, base in self.bases if name in wanted]
        directories = tuple((name, os.path.join(base, path)) for name, base in bases)
        tops = dict.fromkeys(base for _, base in bases)
        return Plan(
            directories=directories,
            parents=tuple(parent for base in tops for parent in parents(base, path)),
            writes=tuple(self._writes(bases, path, resources, current)),
            attach=tuple(f"{os.path.join(base, path)}/tasks" for base in tops),
        )

    def _writes(
        self, bases: list[tuple[str, str]], path: str, resources: Resources, current: Current
    ) -> Iterator[Write]:
        for name, base in bases:
            group = os.path.join(base, path)
            if name == "cpuset":
                for directory in (*parents(base, path), group):
                    yield Write(name, "cpuset.cpus", self.cpus, directory, "an empty cpuset admits nobody")
                    yield Write(name, "cpuset.mems", self.mems, directory, "an empty cpuset admits nobody")
            if name == "cpu" and resources.cpu_rt_runtime_usec:
                yield from _real_time_above(base, path)
            for file, value, why, required in translate(name, resources, current):
                yield Write(name, file, value, group, why, required)


def _real_time_above(base: str, path: str) -> Iterator[Write]:
    """A group can give only of what it has, and a new one has no real-time at all.

    Source: Documentation/scheduler/sched-rt-group.rst.
    """
    most = _read(f"{base}/cpu.rt_runtime_us") or "950000"
    for directory in parents(base, path):
        yield Write(
            "cpu", "cpu.rt_runtime_us", most, directory, "real-time that groups below may have", False
        )


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read().strip()
    except OSError:
        return ""


def translate(controller: str, resources: Resources, current: Current = NEW) -> Iterator[Line]:
    """Yield what to write for one controller."""
    writer = _TRANSLATORS.get(controller)
    return writer(resources, current) if writer else iter(())


def _memory(r: Resources, current: Current) -> Iterator[Line]:
    """The kernel refuses limit > memory+swap at every moment, so what grows must grow first."""
    limits: list[Line] = []
    if r.memory_bytes is not None:
        limits.append(("memory.limit_in_bytes", str(r.memory_bytes), "memory limit", True))
    if r.memory_swap_bytes is not None:
        line = ("memory.memsw.limit_in_bytes", str(r.memory_swap_bytes), "limit of memory and swap", False)
        limits.insert(0 if _grows(r.memory_swap_bytes, current.memory_swap_bytes) else len(limits), line)
    yield from limits
    if r.memory_reservation_bytes is not None:
        yield "memory.soft_limit_in_bytes", str(r.memory_reservation_bytes), "memory reservation", True
    if r.memory_swappiness is not None:
        yield "memory.swappiness", str(r.memory_swappiness), "swappiness", True
    if r.oom_kill_disable is not None:
        yield "memory.oom_control", str(int(r.oom_kill_disable)), "OOM killer off or on", True


def _grows(new: int, old: int | None) -> bool:
    return old is not None and (new < 0 or new > old)


def _cpu(r: Resources, _: Current) -> Iterator[Line]:
    if r.cpu_shares is not None:
        yield "cpu.shares", str(r.cpu_shares), "share of cpu time", True
    if r.cpu_idle is not None:
        yield "cpu.idle", str(r.cpu_idle), "only idle cpu time", True
    if r.cpu_period_usec is not None:
        yield "cpu.cfs_period_us", str(r.cpu_period_usec), "period of the cpu quota", True
    if r.cpu_quota_usec is not None:
        yield "cpu.cfs_quota_us", str(max(r.cpu_quota_usec, -1)), "cpu quota in each period", True
    if r.cpu_burst_usec is not None:
        yield "cpu.cfs_burst_us", str(r.cpu_burst_usec), "unused quota that may be saved", True
    if r.cpu_rt_period_usec is not None:
        yield "cpu.rt_period_us", str(r.cpu_rt_period_usec), "real-time period", True
    if r.cpu_rt_runtime_usec is not None:
        yield "cpu.rt_runtime_us", str(r.cpu_rt_runtime_usec), "real-time quota", True


def _cpuset(r: Resources, _: Current) -> Iterator[Line]:
    if r.cpuset_cpus:
        yield "cpuset.cpus", r.cpuset_cpus, "processors to run on", True
    if r.cpuset_mems:
        yield "cpuset.mems", r.cpuset_mems, "memory nodes to use", True


def _pids(r: Resources, _: Current) -> Iterator[Line]:
    if r.pids_max is not None:
        yield "pids.max", str(r.pids_max) if r.pids_max > 0 else "max", "limit of processes and threads", True


def _io(r: Resources, _: Current) -> Iterator[Line]:
    """Weights exist only with the BFQ scheduler, or on old kernels with CFQ."""
    for scheduler in ("blkio.bfq", "blkio"):
        if r.io_weight is not None:
            yield f"{scheduler}.weight", str(r.io_weight), "block I/O weight", False
        for rate in r.io_weight_devices:
            why = f"block I/O weight of {rate.major}:{rate.minor}"
            yield f"{scheduler}.weight_device", _rate(rate), why, False
    for what in ("read_bps", "write_bps", "read_iops", "write_iops"):
        for rate in getattr(r, what):
            yield f"blkio.throttle.{what}_device", _rate(rate), f"limit of {what} of a device", True


def _rate(rate: Rate) -> str:
    return f"{rate.major}:{rate.minor} {rate.rate}"


def _hugetlb(r: Resources, _: Current) -> Iterator[Line]:
    for size, limit in r.hugetlb:
        yield f"hugetlb.{size}.limit_in_bytes", str(limit), f"limit of {size} pages", True


def _devices(r: Resources, _: Current) -> Iterator[Line]:
    for rule in r.devices:
        what = "allow" if rule.allow else "deny"
        yield f"devices.{what}", device_line(rule), f"{what} access to devices", True


def device_line(rule: DeviceRule) -> str:
    """Write a rule as the device cgroup of v1 takes it.

    >>> device_line(DeviceRule(True, "c", 1, 3)), device_line(DeviceRule(False))
    ('c 1:3 rwm', 'a')
    """
    if rule.type == "a":
        return "a"
    major, minor = ("*" if number is None or number < 0 else number for number in (rule.major, rule.minor))
    return f"{rule.type} {major}:{minor} {rule.access or 'rwm'}"


_TRANSLATORS: dict[str, Callable[[Resources, Current], Iterator[Line]]] = {
    "memory": _memory,
    "cpu": _cpu,
    "cpuset": _cpuset,
    "pids": _pids,
    "io": _io,
    "hugetlb": _hugetlb,
    "devices": _devices,
}
