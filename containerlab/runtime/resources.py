"""Limits as the runtime specification has them → limits as the kernel's cgroups take them."""

from __future__ import annotations

from collections.abc import Sequence

from containerlab.linux.cgroups.resources import DeviceRule, Rate, Resources
from containerlab.oci import runtime as oci

__all__ = ["from_oci"]


def from_oci(resources: oci.Resources | None) -> Resources:
    """Return the limits of config.json's linux.resources; engines write 0 for what nobody asked for."""
    r = resources or oci.Resources()
    memory, cpu = r.memory or oci.Memory(), r.cpu or oci.Cpu()
    io = r.block_io or oci.BlockIO()
    return Resources(
        memory_bytes=memory.limit or None,
        memory_swap_bytes=memory.swap or None,
        memory_reservation_bytes=memory.reservation or None,
        memory_swappiness=memory.swappiness,
        oom_kill_disable=memory.disable_oom_killer or None,
        cpu_quota_usec=cpu.quota or None,
        cpu_period_usec=cpu.period or None,
        cpu_burst_usec=cpu.burst,
        cpu_shares=cpu.shares or None,
        cpu_idle=cpu.idle,
        cpu_rt_runtime_usec=cpu.realtime_runtime,
        cpu_rt_period_usec=cpu.realtime_period,
        cpuset_cpus=cpu.cpus or None,
        cpuset_mems=cpu.mems or None,
        pids_max=(r.pids.limit or None) if r.pids else None,
        io_weight=io.weight or None,
        io_weight_devices=tuple(Rate(d.major, d.minor, d.weight or 0) for d in io.weight_device),
        read_bps=_rates(io.throttle_read_bps_device),
        write_bps=_rates(io.throttle_write_bps_device),
        read_iops=_rates(io.throttle_read_iops_device),
        write_iops=_rates(io.throttle_write_iops_device),
        hugetlb=tuple((limit.page_size, limit.limit) for limit in r.hugepage_limits),
        devices=tuple(DeviceRule(d.allow, d.type, d.major, d.minor, d.access or "rwm") for d in r.devices),
        unified=tuple(r.unified.items()),
    )


def _rates(devices: Sequence[oci.ThrottleDevice]) -> tuple[Rate, ...]:
    return tuple(Rate(device.major, device.minor, device.rate) for device in devices)
