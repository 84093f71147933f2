"""What a container used until a moment: one value, whoever counted it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from containerlab import units

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Pressure", "Sample"]


class Pressure(msgspec.Struct, frozen=True, kw_only=True):
    """How much its processes waited for a resource. Source: Documentation/accounting/psi.rst."""

    some_pct: float
    """Part of the last 10 s in which at least one process waited."""
    some_s: float
    """The same since the start, in seconds."""
    full_pct: float
    """Part of the last 10 s in which all of them waited."""
    full_s: float


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One reading. None means that nobody counts it here, or, for a limit, that there is none."""

    time: float
    """Seconds since the epoch."""
    clock_s: float
    """The monotonic clock at the same moment: differences of it are true durations."""
    source: str = "cgroup"
    """Who counted: "cgroup", or "/proc" (the living processes added up) where there is no cgroup."""
    cpu_s: float | None = None
    """CPU time of all its processes."""
    cpu_limit_cores: float | None = None
    cpu_throttled_s: float | None = None
    """Time it was held back by its cpu limit."""
    periods: int | None = None
    """Periods of the cpu limit in which it wanted to run."""
    throttled_periods: int | None = None
    memory_bytes: int | None = None
    """Page cache included."""
    memory_limit_bytes: int | None = None
    memory_peak_bytes: int | None = None
    memory_anon_bytes: int | None = None
    """Memory that no file backs: what cannot be given back without swap."""
    memory_cache_bytes: int | None = None
    swap_bytes: int | None = None
    oom_kills: int | None = None
    """Processes that the kernel killed because the memory limit was reached."""
    pids: int | None = None
    """Processes and threads."""
    pids_limit: int | None = None
    io_read_bytes: int | None = None
    io_write_bytes: int | None = None
    net_read_bytes: int | None = None
    """Received over all interfaces of its network namespace but the loopback."""
    net_write_bytes: int | None = None
    pressure_cpu: Pressure | None = None
    pressure_memory: Pressure | None = None
    pressure_io: Pressure | None = None

    def __str__(self) -> str:
        """Write the facts that matter most, those that somebody counts."""
        facts = []
        if self.cpu_s is not None:
            facts.append(f"cpu {units.format_seconds(self.cpu_s)}")
        if self.cpu_throttled_s:
            facts.append(f"throttled {units.format_seconds(self.cpu_throttled_s)}")
        if self.memory_bytes is not None:
            limit = f" of {units.format_size(self.memory_limit_bytes)}" if self.memory_limit_bytes else ""
            facts.append(f"memory {units.format_size(self.memory_bytes)}{limit}")
        if self.pids is not None:
            facts.append(f"{self.pids} process{'' if self.pids == 1 else 'es'}")
        return " · ".join(facts)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))

    def to_frame(self) -> pd.DataFrame:
        """Return a frame with one row; columns as of `Series.to_frame`."""
        from containerlab.metrics.series import Series

        return Series((self,)).to_frame()
