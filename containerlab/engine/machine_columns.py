"""The columns of the tables about virtual machines."""

from __future__ import annotations

from containerlab import units
from containerlab.engine.columns import state_words
from containerlab.engine.machine_result import accelerated
from containerlab.views.table import Column

__all__ = ["KERNELS", "MACHINES", "PORTS", "STATS"]

MACHINES = (
    Column("id", "MACHINE ID", lambda row: row.info.id, "id", "ID"),
    Column("image", "IMAGE", lambda row: row.info.image, "name", "Image"),
    Column("tier", "TIER", lambda row: row.info.boot.tier, "text", "Tier"),
    Column(
        "accelerator",
        "ACCELERATOR",
        lambda row: accelerated(row.info.boot.accelerator),
        "text",
        "Accelerator",
    ),
    Column("created", "CREATED", lambda row: row.info.created, "age", "RunningFor"),
    Column("status", "STATUS", lambda row: state_words(row.info), "state", "Status"),
    Column("ports", "PORTS", lambda row: row.info.detail.get("ports", ()), "list", "Ports"),
    Column("name", "NAMES", lambda row: row.info.name, "name", "Names"),
    Column("command", "COMMAND", lambda row: row.info.command, "command", "Command", is_visible=False),
    Column("memory_bytes", "MEMORY", lambda row: row.info.memory_bytes, "size", "Memory", is_visible=False),
    Column("cpus", "CPUS", lambda row: row.info.cpus, "number", "Cpus", is_visible=False),
    Column("kernel", "KERNEL", lambda row: row.info.boot.kernel, "text", "Kernel", is_visible=False),
    Column("boot_s", "BOOT", lambda row: row.info.boot.boot_s, "seconds", "Boot", is_visible=False),
    Column("ready_s", "READY", lambda row: row.info.boot.ready_s, "seconds", "Ready", is_visible=False),
    Column("state", "STATE", lambda row: row.info.status, "state", "State", is_visible=False),
    Column("created_at", "CREATED AT", lambda row: row.info.created, "time", "CreatedAt", is_visible=False),
    Column("exit_code", "EXIT CODE", lambda row: row.info.exit_code, "number", "ExitCode", is_visible=False),
    Column("pid", "PID", lambda row: row.info.pid, "number", "Pid", is_visible=False),
    Column("labels", "LABELS", lambda row: row.info.labels, "text", "Labels", is_visible=False),
)

KERNELS = (
    Column("release", "RELEASE", lambda row: row.release, "name", "Release"),
    Column("architecture", "ARCHITECTURE", lambda row: row.architecture, "text", "Architecture"),
    Column("size_bytes", "SIZE", lambda row: row.size_bytes, "size", "Size"),
    Column("source", "SOURCE", lambda row: row.source, "text", "Source"),
    Column("path", "PATH", lambda row: row.path, "path", "Path", is_visible=False),
    Column("digest", "DIGEST", lambda row: row.digest, "text", "Digest", is_visible=False),
)

PORTS = (
    Column("guest", "GUEST PORT", lambda row: row["guest"], "text", "GuestPort"),
    Column("host", "HOST", lambda row: row["host"], "text", "Host"),
)


def _percent(value: float) -> str:
    return f"{value:.2f}%"


def _guest_memory(values: list[int | None]) -> str:
    return " / ".join("--" if value is None else units.format_size(value) for value in values)


STATS = (
    Column("id", "MACHINE ID", lambda row: row.info.id, "id", "ID"),
    Column("name", "NAME", lambda row: row.info.name, "name", "Name"),
    Column("cpu_pct", "HOST CPU %", lambda row: row.cpu_pct, "number", "CPUPerc", text=_percent),
    Column("memory_bytes", "HOST MEMORY", lambda row: row.of("memory_bytes"), "size", "MemUsage"),
    Column(
        "guest_cpu_pct", "GUEST CPU %", lambda row: row.guest_cpu_pct, "number", "GuestCPUPerc", text=_percent
    ),
    Column(
        "guest_memory",
        "GUEST MEMORY / ALL",
        lambda row: [row.of("guest_memory_bytes"), row.of("guest_memory_limit_bytes")],
        "text",
        "GuestMemUsage",
        text=_guest_memory,
    ),
    Column("guest_processes", "GUEST PIDS", lambda row: row.of("guest_processes"), "number", "PIDs"),
    Column("accelerator", "ACCELERATOR", lambda row: accelerated(row.info.boot.accelerator), "text"),
    Column("pids", "HOST PIDS", lambda row: row.of("pids"), "number", is_visible=False),
)
"""Memory of the host: of QEMU and what it needs, what they share with other machines counted in part."""
