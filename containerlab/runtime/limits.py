"""The user's limits as config.json has them."""

from __future__ import annotations

import os
import resource
import stat
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from containerlab.errors import InvalidInput
from containerlab.oci import runtime as oci
from containerlab.options.huge_pages import sizes
from containerlab.runtime import posture
from containerlab.runtime.devices_of_host import HostDevice

__all__ = ["resources", "rlimits"]

_PERIOD_USEC = 100_000
_SMALLEST_MEMORY = 512 * 1024
_FEWEST_CORES = 0.01
"""The kernel takes no quota below 1 ms in the usual period of 100 ms."""
_MOST_PROCESSORS = 1 << 16


def resources(
    options: Mapping[str, Any], devices: Sequence[HostDevice] = (), *, rules_devices: bool = True
) -> oci.Resources:
    """Return linux.resources for the options of `run` and `update`.

    rules_devices: in a user namespace no device can be made, and no rule for them is needed or possible.

    Raises: InvalidInput for limits that contradict each other.
    """
    return oci.Resources(
        devices=_device_rules(options, devices) if rules_devices else (),
        memory=_memory(options),
        cpu=_cpu(options),
        pids=_pids(options),
        block_io=_io(options),
        hugepage_limits=tuple(_huge_pages(options.get("hugetlb", ()))),
    )


def _memory(options: Mapping[str, Any]) -> oci.Memory | None:
    limit, swap = options.get("memory"), options.get("memory_swap")
    if limit is not None and 0 < limit < _SMALLEST_MEMORY:
        raise InvalidInput(f"--memory {limit} is less than 512k", "no program starts in less")
    if swap is not None and swap != -1 and (limit is None or swap < limit):
        raise InvalidInput(
            "--memory-swap is memory and swap together", "set --memory too, to at most as much"
        )
    reservation = options.get("memory_reservation")
    if limit and reservation and reservation > limit:
        raise InvalidInput("--memory-reservation is more than --memory", "reserve at most the limit")
    if limit and swap is None:
        swap = limit * 2
    swappiness = options.get("memory_swappiness")
    values = {
        "limit": limit or None,
        "swap": swap,
        "reservation": reservation or None,
        "swappiness": None if swappiness in (None, -1) else swappiness,
        "disable_oom_killer": options.get("oom_kill_disable") or None,
    }
    return oci.Memory(**values) if any(value is not None for value in values.values()) else None


def _cpu(options: Mapping[str, Any]) -> oci.Cpu | None:
    quota, period = options.get("cpu_quota"), options.get("cpu_period")
    if cores := options.get("cpus"):
        if quota or period:
            raise InvalidInput("--cpus and --cpu-quota or --cpu-period say the same", "use one of them")
        most = os.cpu_count() or 1
        if not _FEWEST_CORES <= cores <= most:
            raise InvalidInput(
                f"--cpus {cores:g} is out of range", f"this host has {most}: write {_FEWEST_CORES} to {most}"
            )
        period, quota = _PERIOD_USEC, round(cores * _PERIOD_USEC)
    _check_quota(quota, period)
    _check_list("--cpuset-cpus", options.get("cpuset_cpus"), "/sys/devices/system/cpu/online")
    _check_list("--cpuset-mems", options.get("cpuset_mems"), "/sys/devices/system/node/online")
    cpu = oci.Cpu(
        shares=options.get("cpu_shares") or None,
        quota=quota or None,
        period=period or None,
        realtime_runtime=options.get("cpu_rt_runtime"),
        realtime_period=options.get("cpu_rt_period"),
        cpus=options.get("cpuset_cpus") or "",
        mems=options.get("cpuset_mems") or "",
    )
    return cpu if cpu != oci.Cpu() else None


def _check_quota(quota: int | None, period: int | None) -> None:
    """Refuse what the kernel would: kernel/sched/core.c, tg_set_cfs_bandwidth."""
    if period and not 1000 <= period <= 1_000_000:
        raise InvalidInput(f"--cpu-period {period} is out of range", "write 1000 to 1000000 microseconds")
    if quota and 0 < quota < 1000:
        raise InvalidInput(f"--cpu-quota {quota} is too little", "write at least 1000 microseconds")


def _check_list(option: str, wanted: str | None, online: str) -> None:
    if not wanted:
        return
    try:
        with open(online, encoding="ascii") as file:
            there = file.read().strip()
    except FileNotFoundError:  # a kernel without memory nodes
        there = "0"
    if not _numbers(wanted) <= _numbers(there):
        raise InvalidInput(f"{option} {wanted}: this host has not all of them", f"it has {there}")


def _numbers(written: str) -> set[int]:
    """Read a list as 0-2,5; one that is too long to be true is cut, and so refused."""
    found: set[int] = set()
    for piece in written.split(","):
        first, _, last = piece.partition("-")
        found.update(range(int(first), min(int(last or first), int(first) + _MOST_PROCESSORS) + 1))
    return found


def _huge_pages(limits: Sequence[tuple[str, int]]) -> Iterator[oci.HugepageLimit]:
    for page, limit in limits:
        there = sizes()
        if page not in there:
            hint = f"there are: {', '.join(there)}" if there else "this kernel has no huge pages"
            raise InvalidInput(f"--hugetlb {page}: this host has no huge pages of that size", hint)
        yield oci.HugepageLimit(page_size=page, limit=limit)


def _pids(options: Mapping[str, Any]) -> oci.Pids | None:
    limit = options.get("pids_limit")
    return None if limit is None else oci.Pids(limit=limit if limit > 0 else -1)


def _io(options: Mapping[str, Any]) -> oci.BlockIO | None:
    weights = [weight for _, weight in options.get("blkio_weight_device", ())]
    for weight in (options.get("blkio_weight"), *weights):
        if weight and not 10 <= weight <= 1000:
            raise InvalidInput(f"the block I/O weight {weight} is out of range", "write 10 to 1000, or 0")
    io = oci.BlockIO(
        weight=options.get("blkio_weight") or None,
        weight_device=tuple(
            oci.WeightDevice(major=major, minor=minor, weight=rate)
            for major, minor, rate in _devices(options.get("blkio_weight_device", ()))
        ),
        throttle_read_bps_device=_throttle(options.get("device_read_bps", ())),
        throttle_write_bps_device=_throttle(options.get("device_write_bps", ())),
        throttle_read_iops_device=_throttle(options.get("device_read_iops", ())),
        throttle_write_iops_device=_throttle(options.get("device_write_iops", ())),
    )
    return io if io != oci.BlockIO() else None


def _throttle(rates: Sequence[tuple[str, int]]) -> tuple[oci.ThrottleDevice, ...]:
    return tuple(
        oci.ThrottleDevice(major=major, minor=minor, rate=rate) for major, minor, rate in _devices(rates)
    )


def _devices(rates: Sequence[tuple[str, int]]) -> list[tuple[int, int, int]]:
    found = []
    for path, rate in rates:
        try:
            status = os.stat(path)
        except OSError as error:
            raise InvalidInput(
                f"cannot limit {path}: {error.strerror}", "name a block device, see `lsblk`"
            ) from error
        if not stat.S_ISBLK(status.st_mode):
            raise InvalidInput(f"cannot limit {path}: it is no block device", "name one, see `lsblk`")
        found.append((os.major(status.st_rdev), os.minor(status.st_rdev), rate))
    return found


def _device_rules(options: Mapping[str, Any], devices: Sequence[HostDevice]) -> tuple[oci.DeviceRule, ...]:
    if options.get("privileged"):
        return (oci.DeviceRule(allow=True, access="rwm"),)
    extra = [_parse_rule(text) for text in options.get("device_cgroup_rule", ())]
    return (*posture.DEVICE_RULES, *(device.rule for device in devices), *extra)


def _parse_rule(text: str) -> oci.DeviceRule:
    words = text.split()
    numbers = words[1].split(":") if len(words) == 3 else []
    if len(numbers) != 2 or words[0] not in "abc" or not set(words[2]) <= set("rwm"):
        raise InvalidInput(f"--device-cgroup-rule {text!r} cannot be read", "write it as 'c 10:229 rwm'")
    major, minor = (None if number == "*" else int(number) for number in numbers)
    return oci.DeviceRule(allow=True, type=words[0], major=major, minor=minor, access=words[2])


def rlimits(
    ulimits: Sequence[tuple[str, int, int]], *, may_raise: bool
) -> tuple[tuple[oci.Rlimit, ...], list[str]]:
    """Return process.rlimits, and a notice for each that is clamped to what this process has."""
    limits, notices = [], []
    for name, soft, hard in ulimits:
        number = getattr(resource, f"RLIMIT_{name.upper()}")
        most = resource.getrlimit(number)[1]
        if not may_raise and most != resource.RLIM_INFINITY and (hard == -1 or hard > most):
            notices.append(f"--ulimit {name}: {_shown(hard)} is above the host's hard limit, so it is {most}")
            hard = most
            soft = most if soft == -1 else min(soft, most)
        limits.append(oci.Rlimit(type=f"RLIMIT_{name.upper()}", soft=soft, hard=hard))
    return tuple(limits), notices


def _shown(limit: int) -> str:
    return "unlimited" if limit == -1 else str(limit)
