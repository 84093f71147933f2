"""Take samples of one container: from its cgroups, or else from its processes in /proc."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple, Protocol

from containerlab.linux.cgroups import control, counters
from containerlab.linux.cgroups.plan import Plan
from containerlab.metrics.sample import Pressure, Sample

__all__ = ["CgroupMeter", "Meter", "ProcMeter"]


class Meter(Protocol):
    """Something that can be read again and again until it is closed."""

    def read(self) -> Sample:
        """Return what was used until now.

        Raises: ProcessLookupError when the container is gone.
        """

    def close(self) -> None:
        """Close its descriptors."""


class CgroupMeter:
    """Reads cgroups, v1 or v2, through descriptors that stay open.

    The block I/O of v1 is added up from /proc: its own counters leave out what is written through the page
    cache, and since Linux 6.10 everything on devices without a limit.
    """

    def __init__(self, plan: Plan) -> None:
        self._reader = counters.Reader(plan)
        on_v2 = dict(plan.directories).get("io", plan.unified) == plan.unified
        self._processes = None if on_v2 and plan.unified else _Processes(lambda: control.processes(plan))

    def read(self) -> Sample:
        """Return what was used until now; raises ProcessLookupError when the cgroup is removed."""
        before = time.monotonic()
        try:
            found = self._reader.read()
        except OSError as error:  # ENODEV from descriptors of a removed cgroup
            raise ProcessLookupError(error.errno, "the cgroup has been removed") from error
        return _sample(self._with_io(found), (before + time.monotonic()) / 2)

    def _with_io(self, found: counters.Counters) -> counters.Counters:
        if self._processes is None:
            return found
        self._processes.look()
        read, write = self._processes.total("read_bytes"), self._processes.total("write_bytes")
        return found._replace(
            io_read_bytes=max(int(read), found.io_read_bytes or 0),
            io_write_bytes=max(int(write), found.io_write_bytes or 0),
        )

    def close(self) -> None:
        """Close its descriptors."""
        self._reader.close()


def _sample(found: counters.Counters, clock_s: float) -> Sample:
    return Sample(
        time=time.time(),
        clock_s=clock_s,
        cpu_s=_seconds(found.cpu_usec),
        cpu_limit_cores=found.cpu_quota_cores,
        cpu_throttled_s=_seconds(found.throttled_usec),
        periods=found.periods,
        throttled_periods=found.throttled_periods,
        memory_bytes=found.memory_bytes,
        memory_limit_bytes=found.memory_limit_bytes,
        memory_peak_bytes=found.memory_peak_bytes,
        memory_anon_bytes=found.anon_bytes,
        memory_cache_bytes=found.cache_bytes,
        swap_bytes=found.swap_bytes,
        oom_kills=found.oom_kills,
        pids=found.pids,
        pids_limit=found.pids_limit,
        io_read_bytes=found.io_read_bytes,
        io_write_bytes=found.io_write_bytes,
        pressure_cpu=_pressure(found.pressure_cpu),
        pressure_memory=_pressure(found.pressure_memory),
        pressure_io=_pressure(found.pressure_io),
    )


def _seconds(usec: int | None) -> float | None:
    return None if usec is None else usec / 1e6


def _pressure(found: counters.Pressure | None) -> Pressure | None:
    if found is None:
        return None
    return Pressure(
        some_pct=found.some_avg10_percent,
        some_s=found.some_total_usec / 1e6,
        full_pct=found.full_avg10_percent,
        full_s=found.full_total_usec / 1e6,
    )


class _Process(NamedTuple):
    pid: int
    started: int
    cpu_s: float
    rss_bytes: int
    threads: int
    read_bytes: int
    write_bytes: int


class _Processes:
    """Adds up processes; what one did between the last look and its end is not seen."""

    def __init__(self, pids: Callable[[], Iterable[int]]) -> None:
        self._pids = pids
        self._seen: dict[tuple[int, int], _Process] = {}

    def look(self) -> list[_Process]:
        """Return the processes that live now."""
        alive = [process for pid in self._pids() if (process := _process(pid))]
        self._seen |= {(process.pid, process.started): process for process in alive}
        return alive

    def total(self, field: str) -> float:
        """Sum up over all that were ever seen."""
        total: float = sum(getattr(process, field) for process in self._seen.values())
        return total


class ProcMeter:
    """Adds up the processes of a container that has no cgroup."""

    def __init__(self, pids: Callable[[], Iterable[int]]) -> None:
        self._processes = _Processes(pids)
        self._peak_bytes = 0

    def read(self) -> Sample:
        """Return what was used until now; raises ProcessLookupError when no process is left."""
        clock_s = time.monotonic()
        alive = self._processes.look()
        if not alive:
            raise ProcessLookupError("no process of the container is left")
        rss_bytes = sum(process.rss_bytes for process in alive)
        self._peak_bytes = max(self._peak_bytes, rss_bytes)
        return Sample(
            time=time.time(),
            clock_s=clock_s,
            source="/proc",
            cpu_s=self._processes.total("cpu_s"),
            memory_bytes=rss_bytes,
            memory_peak_bytes=self._peak_bytes,
            pids=sum(process.threads for process in alive),
            io_read_bytes=int(self._processes.total("read_bytes")),
            io_write_bytes=int(self._processes.total("write_bytes")),
        )

    def close(self) -> None:
        """Nothing is open."""


_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGESIZE")


def _process(pid: int) -> _Process | None:
    """Read one process; None when it has ended. Source: proc_pid_stat(5)."""
    stat = _text(f"/proc/{pid}/stat")
    if not stat:
        return None
    fields = stat.rpartition(")")[2].split()  # the name before may hold anything
    if fields[0] in "ZX":
        return None
    user, system, threads, rss = (int(fields[i]) for i in (11, 12, 17, 21))
    started = int(fields[19])
    io = dict(line.split(": ") for line in _text(f"/proc/{pid}/io").splitlines())
    read, write = int(io.get("read_bytes", 0)), int(io.get("write_bytes", 0))
    return _Process(pid, started, (user + system) / _TICKS, rss * _PAGE, threads, read, write)


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
