"""What a container may use, in words that do not depend on the cgroup version."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["NEW", "Current", "DeviceRule", "Rate", "Resources", "asked"]


class DeviceRule(NamedTuple):
    """Allow or deny access to device nodes; later rules win."""

    allow: bool
    type: str = "a"
    """c (character), b (block) or a (all)."""
    major: int | None = None
    """None means every number."""
    minor: int | None = None
    access: str = "rwm"
    """Any of r (read), w (write), m (mknod); empty means all of them."""


class Rate(NamedTuple):
    """A limit for one block device, per second."""

    major: int
    minor: int
    rate: int


class Resources(NamedTuple):
    """Limits; None means "not set". -1 means "no limit" wherever a limit is a number."""

    memory_bytes: int | None = None
    memory_swap_bytes: int | None = None
    """Memory and swap together, as in Docker and OCI."""
    memory_reservation_bytes: int | None = None
    memory_swappiness: int | None = None
    oom_kill_disable: bool | None = None
    cpu_quota_usec: int | None = None
    cpu_period_usec: int | None = None
    cpu_burst_usec: int | None = None
    cpu_shares: int | None = None
    """2 to 262144, 1024 is usual."""
    cpu_idle: int | None = None
    cpu_rt_runtime_usec: int | None = None
    cpu_rt_period_usec: int | None = None
    cpuset_cpus: str | None = None
    cpuset_mems: str | None = None
    pids_max: int | None = None
    io_weight: int | None = None
    """10 to 1000."""
    io_weight_devices: tuple[Rate, ...] = ()
    """`rate` is the weight."""
    read_bps: tuple[Rate, ...] = ()
    write_bps: tuple[Rate, ...] = ()
    read_iops: tuple[Rate, ...] = ()
    write_iops: tuple[Rate, ...] = ()
    hugetlb: tuple[tuple[str, int], ...] = ()
    """(page size as 2MB, bytes)."""
    devices: tuple[DeviceRule, ...] = ()
    unified: tuple[tuple[str, str], ...] = ()
    """(file, value) for cgroup v2, as it stands."""


class Current(NamedTuple):
    """Limits in force, on which the order of changes depends."""

    memory_bytes: int | None = None
    memory_swap_bytes: int | None = None
    """-1 means no limit."""


NEW = Current()
"""Of a group that does not exist yet."""

_PREFIXES = (
    ("memory_", "memory"),
    ("oom_", "memory"),
    ("cpuset_", "cpuset"),
    ("cpu_", "cpu"),
    ("pids_", "pids"),
    ("io_", "io"),
    ("read_", "io"),
    ("write_", "io"),
    ("hugetlb", "hugetlb"),
    ("devices", "devices"),
)
_CONTROLLER = {
    field: next(controller for prefix, controller in _PREFIXES if field.startswith(prefix))
    for field in Resources._fields
    if field != "unified"
}


def asked(resources: Resources) -> tuple[str, ...]:
    """Return the controllers that are needed to give these resources.

    >>> asked(Resources(memory_bytes=1 << 20, pids_max=9))
    ('memory', 'pids')
    """
    fields = zip(Resources._fields, resources, strict=True)
    needed = (_CONTROLLER.get(name) for name, value in fields if value is not None and value != ())
    return tuple(dict.fromkeys(name for name in needed if name))
