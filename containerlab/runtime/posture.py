"""What a container may not see or do unless it is asked for: Docker's defaults.

Source: moby, daemon/pkg/oci/defaults.go; runc, libcontainer/specconv.
"""

from __future__ import annotations

from containerlab.oci.runtime import DeviceRule, MountPoint

__all__ = ["DEVICE_RULES", "MASKED", "MOUNTS", "READONLY"]

MASKED = (
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
)
READONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")

_NEVER = ("nosuid", "noexec", "nodev")
MOUNTS = (
    MountPoint(destination="/proc", type="proc", source="proc", options=_NEVER),
    MountPoint(
        destination="/dev",
        type="tmpfs",
        source="tmpfs",
        options=("nosuid", "strictatime", "mode=755", "size=65536k"),
    ),
    MountPoint(
        destination="/dev/pts",
        type="devpts",
        source="devpts",
        options=("nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"),
    ),
    MountPoint(destination="/sys", type="sysfs", source="sysfs", options=(*_NEVER, "ro")),
    MountPoint(destination="/sys/fs/cgroup", type="cgroup", source="cgroup", options=(*_NEVER, "ro")),
    MountPoint(destination="/dev/mqueue", type="mqueue", source="mqueue", options=_NEVER),
    MountPoint(
        destination="/dev/shm", type="tmpfs", source="shm", options=(*_NEVER, "mode=1777", "size=65536k")
    ),
)

DEVICE_RULES = (
    DeviceRule(allow=False, access="rwm"),
    DeviceRule(allow=True, type="c", access="m"),
    DeviceRule(allow=True, type="b", access="m"),
    *(
        DeviceRule(allow=True, type="c", major=major, minor=minor, access="rwm")
        for major, minor in ((1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 1), (5, 2), (136, None))
    ),
)
"""Make any node, use null, zero, full, random, urandom, tty, console, ptmx and terminals."""
