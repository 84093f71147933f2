"""What cgroups can do for this process here, found by trying in a group that is removed at once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple

from containerlab.errors import SetupFailed
from containerlab.linux.cgroups import control
from containerlab.linux.cgroups.hierarchy import Hierarchy
from containerlab.linux.cgroups.plan import UNIFIED, Plan
from containerlab.linux.cgroups.resources import DeviceRule, Resources

__all__ = ["Facility", "facilities"]


class Facility(NamedTuple):
    """Something that cgroups can do, and why not if they cannot."""

    name: str
    available: bool
    reason: str
    """How (directory and file) or why not."""


class _Trial(NamedTuple):
    name: str
    controller: str
    v1_files: tuple[str, ...]
    v2_files: tuple[str, ...]


_TRIALS = (
    _Trial("memory", "memory", ("memory.limit_in_bytes",), ("memory.max",)),
    _Trial("swap accounting", "memory", ("memory.memsw.limit_in_bytes",), ("memory.swap.max",)),
    _Trial("cpu", "cpu", ("cpu.cfs_quota_us",), ("cpu.max",)),
    _Trial("cpu burst", "cpu", ("cpu.cfs_burst_us",), ("cpu.max.burst",)),
    _Trial("cpuset", "cpuset", ("cpuset.cpus",), ("cpuset.cpus",)),
    _Trial("pids", "pids", ("pids.max",), ("pids.max",)),
    _Trial("io throttling", "io", ("blkio.throttle.read_bps_device",), ("io.max",)),
    _Trial("io weight", "io", ("blkio.bfq.weight", "blkio.weight"), ("io.bfq.weight", "io.weight")),
    _Trial("hugetlb", "hugetlb", ("hugetlb.2MB.limit_in_bytes",), ("hugetlb.2MB.max",)),
    _Trial("devices", "devices", ("devices.deny",), ()),
)
_EITHER = (
    _Trial("cpu accounting", "cpuacct", ("cpuacct.usage",), ("cpu.stat",)),
    _Trial("freezer", "freezer", ("freezer.state",), ("cgroup.freeze",)),
    _Trial("kill at once", UNIFIED, (), ("cgroup.kill",)),
    _Trial("pressure", UNIFIED, (), ("memory.pressure",)),
)
"""What v2 does for every group, without a controller."""
_ALL = Resources(
    memory_bytes=-1,
    cpu_quota_usec=-1,
    cpuset_cpus="",
    pids_max=-1,
    io_weight=100,
    hugetlb=(("2MB", -1),),
    devices=(DeviceRule(True),),
)


def facilities(hierarchy: Hierarchy) -> tuple[Facility, ...]:
    """Make a group, see which of its files can be opened, remove it."""
    plan = hierarchy.group(f"containerlab-trial-{os.getpid()}").plan(_ALL)
    handed_down = tuple(write for write in plan.writes if write.controller == "cgroup")
    try:
        control.create(plan._replace(writes=handed_down, program=""))
        return tuple(_tried(hierarchy, plan))
    except SetupFailed as error:
        names = [trial.name for trial in (*_TRIALS, *_EITHER)]
        return tuple(Facility(name, False, error.message) for name in names)
    finally:
        control.remove(plan)


def _tried(hierarchy: Hierarchy, plan: Plan) -> Iterator[Facility]:
    directories = dict(plan.directories)
    for trial in _TRIALS:
        directory = directories.get(trial.controller, "")
        if trial.name == "devices" and plan.program:
            yield _filter(plan)
        elif directory:
            yield _opened(trial.name, directory, _files(trial, directory, plan))
        else:
            yield Facility(trial.name, False, hierarchy.why_not(trial.controller))
    for trial in _EITHER:
        directory = plan.unified or directories.get(trial.controller, "")
        if directory:
            yield _opened(trial.name, directory, _files(trial, directory, plan))
        else:
            yield Facility(trial.name, False, hierarchy.why_not(trial.controller))


def _files(trial: _Trial, directory: str, plan: Plan) -> tuple[str, ...]:
    return trial.v2_files if directory == plan.unified else trial.v1_files


def _opened(name: str, directory: str, files: tuple[str, ...]) -> Facility:
    reason = "this kernel does not offer it"
    for file in files:
        path = f"{directory}/{file}"
        try:
            os.close(os.open(path, (os.O_RDONLY if _only_read(path) else os.O_WRONLY) | os.O_CLOEXEC))
            return Facility(name, True, file)
        except FileNotFoundError:
            reason = f"this kernel has no {' or '.join(files)}"
        except OSError as error:
            reason = f"{file}: {error.strerror}"
    return Facility(name, False, reason)


def _only_read(path: str) -> bool:
    return os.path.basename(path) in ("cpu.stat", "cpuacct.usage", "memory.pressure")


def _filter(plan: Plan) -> Facility:
    notices = control.filter_devices(plan)
    return Facility("devices", not notices, notices[0] if notices else "eBPF device filter")
