"""Read what the kernel counts for a group: the same names and units for v1 and v2."""

from __future__ import annotations

import os
from collections.abc import Callable
from types import TracebackType
from typing import NamedTuple

from containerlab.linux.cgroups.plan import UNIFIED, Plan

__all__ = ["Counters", "Pressure", "Reader", "Usage", "read", "usage"]


class Pressure(NamedTuple):
    """How much processes waited for a resource. Source: Documentation/accounting/psi.rst."""

    some_avg10_percent: float
    some_total_usec: int
    """Time in which at least one process waited."""
    full_avg10_percent: float
    full_total_usec: int
    """Time in which all of them waited."""


class Counters(NamedTuple):
    """One reading; None means that nobody counts it here, or that there is no limit."""

    cpu_usec: int | None = None
    cpu_quota_cores: float | None = None
    periods: int | None = None
    throttled_periods: int | None = None
    throttled_usec: int | None = None
    memory_bytes: int | None = None
    memory_peak_bytes: int | None = None
    memory_limit_bytes: int | None = None
    anon_bytes: int | None = None
    cache_bytes: int | None = None
    swap_bytes: int | None = None
    oom_kills: int | None = None
    pids: int | None = None
    pids_limit: int | None = None
    io_read_bytes: int | None = None
    io_write_bytes: int | None = None
    pressure_cpu: Pressure | None = None
    pressure_memory: Pressure | None = None
    pressure_io: Pressure | None = None


class Usage(NamedTuple):
    """What a group used in its whole life; read it before it is removed."""

    cpu_usec: int | None = None
    peak_memory_bytes: int | None = None
    throttled_usec: int | None = None
    throttled_periods: int | None = None
    oom_kills: int | None = None


Values = dict[str, object]
_NO_LIMIT = 1 << 60
"""v1 writes "no limit" as the largest multiple of a page below 2**63."""


def _number(text: str) -> int | None:
    value = int(text) if text != "max" else _NO_LIMIT
    return value if value < _NO_LIMIT else None


def _table(text: str) -> dict[str, int]:
    """Lines of "key number"."""
    pairs = (line.split(" ", 1) for line in text.splitlines())
    return {key: int(value) for key, value in pairs}


def _cpu_stat_v1(text: str) -> Values:
    stat = _table(text)
    return {
        "periods": stat["nr_periods"],
        "throttled_periods": stat["nr_throttled"],
        "throttled_usec": stat["throttled_time"] // 1000,
    }


def _cpu_stat_v2(text: str) -> Values:
    """The quota's lines are there only with the cpu controller."""
    stat = _table(text)
    values: Values = {"cpu_usec": stat["usage_usec"]}
    if "nr_periods" in stat:
        values["periods"] = stat["nr_periods"]
        values["throttled_periods"] = stat["nr_throttled"]
        values["throttled_usec"] = stat["throttled_usec"]
    return values


def _cpu_max(text: str) -> Values:
    quota, period = text.split()
    return {"cpu_quota_cores": None if quota == "max" else int(quota) / int(period)}


def _memory_stat_v1(text: str) -> Values:
    stat = _table(text)
    return {
        "anon_bytes": stat["total_rss"],
        "cache_bytes": stat["total_cache"],
        "swap_bytes": stat.get("total_swap"),
        # The limit of the tightest group above counts too.
        "memory_limit_bytes": _number(str(stat["hierarchical_memory_limit"])),
    }


def _memory_stat_v2(text: str) -> Values:
    stat = _table(text)
    return {"anon_bytes": stat["anon"], "cache_bytes": stat["file"]}


def _oom_kills(text: str) -> Values:
    return {"oom_kills": _table(text).get("oom_kill")}


def _io_v1(text: str) -> Values:
    """Lines of "major:minor Read number"; the last one is the total of all."""
    sums = {"Read": 0, "Write": 0}
    for line in text.splitlines():
        words = line.split(" ")
        if len(words) == 3 and words[1] in sums:
            sums[words[1]] += int(words[2])
    return {"io_read_bytes": sums["Read"], "io_write_bytes": sums["Write"]}


def _io_v2(text: str) -> Values:
    """Lines of "major:minor rbytes=number wbytes=number …"."""
    pairs = [pair.split("=") for line in text.splitlines() for pair in line.split(" ")[1:]]
    read, write = (sum(int(value) for key, value in pairs if key == what) for what in ("rbytes", "wbytes"))
    return {"io_read_bytes": read, "io_write_bytes": write}


def _pressure(field: str) -> Callable[[str], Values]:
    def parse(text: str) -> Values:
        found: dict[str, tuple[float, int]] = {}
        for line in text.splitlines():
            kind, avg10, *_, total = line.split(" ")
            found[kind] = float(avg10.partition("=")[2]), int(total.partition("=")[2])
        some, full = found.get("some", (0.0, 0)), found.get("full", (0.0, 0))
        return {field: Pressure(*some, *full)}

    return parse


def _single(field: str) -> Callable[[str], Values]:
    return lambda text: {field: _number(text.strip())}


def _cpu_usage_v1(text: str) -> Values:
    return {"cpu_usec": int(text) // 1000}


Parser = Callable[[str], Values]
_V1: dict[str, dict[str, Parser]] = {
    "cpuacct": {"cpuacct.usage": _cpu_usage_v1},
    "cpu": {"cpu.stat": _cpu_stat_v1},
    "memory": {
        "memory.usage_in_bytes": _single("memory_bytes"),
        "memory.max_usage_in_bytes": _single("memory_peak_bytes"),
        "memory.stat": _memory_stat_v1,
        "memory.oom_control": _oom_kills,
    },
    "pids": {"pids.current": _single("pids"), "pids.max": _single("pids_limit")},
    "io": {"blkio.throttle.io_service_bytes_recursive": _io_v1},
}
_V2: dict[str, dict[str, Parser]] = {
    "cpu": {"cpu.max": _cpu_max},
    "memory": {
        "memory.current": _single("memory_bytes"),
        "memory.peak": _single("memory_peak_bytes"),
        "memory.max": _single("memory_limit_bytes"),
        "memory.swap.current": _single("swap_bytes"),
        "memory.stat": _memory_stat_v2,
        "memory.events": _oom_kills,
    },
    "pids": {"pids.current": _single("pids"), "pids.max": _single("pids_limit")},
    "io": {"io.stat": _io_v2},
    UNIFIED: {
        "cpu.stat": _cpu_stat_v2,
        "cpu.pressure": _pressure("pressure_cpu"),
        "memory.pressure": _pressure("pressure_memory"),
        "io.pressure": _pressure("pressure_io"),
    },
}
_USAGE = frozenset(("cpu.stat", "cpuacct.usage", "memory.max_usage_in_bytes", "memory.peak"))
_OOM = frozenset(("memory.oom_control", "memory.events"))


class Reader:
    """Keeps the files of one group open: a reading by pread costs a fifth of opening them each time."""

    def __init__(self, plan: Plan, only: frozenset[str] = frozenset()) -> None:
        self._files: list[tuple[int, Parser]] = []
        self._cpu_v1 = ""
        for controller, directory in plan.directories:
            on_v2 = directory == plan.unified
            for name, parse in (_V2 if on_v2 else _V1).get(controller, {}).items():
                if not only or name in only:
                    self._open(f"{directory}/{name}", parse)
            if controller == "cpu" and not on_v2 and not only:
                self._cpu_v1 = directory

    def _open(self, path: str, parse: Parser) -> None:
        """A file that this kernel does not have leaves its fields None."""
        try:
            self._files.append((os.open(path, os.O_RDONLY | os.O_CLOEXEC), parse))
        except OSError:
            return

    def read(self) -> Counters:
        """Read all counters now.

        Raises: OSError with ENODEV when the group has been removed.
        """
        values: Values = {}
        for fd, parse in self._files:
            values |= parse(os.pread(fd, 65536, 0).decode())
        if self._cpu_v1:
            values["cpu_quota_cores"] = _quota_v1(self._cpu_v1)
        return Counters(**values)  # type: ignore[arg-type]

    def close(self) -> None:
        """Close the files."""
        for fd, _ in self._files:
            os.close(fd)
        self._files = []

    def __enter__(self) -> Reader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _quota_v1(directory: str) -> float | None:
    quota, period = (_content(f"{directory}/cpu.cfs_{what}_us") for what in ("quota", "period"))
    return int(quota) / int(period) if quota and period and int(quota) > 0 else None


def _content(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except OSError:
        return ""


def read(plan: Plan) -> Counters:
    """Read all counters of a group once."""
    with Reader(plan) as reader:
        return reader.read()


def usage(plan: Plan) -> Usage:
    """Read what the group used until now. Cheap: only the files that are needed."""
    with Reader(plan, _USAGE | _OOM) as reader:
        counters = reader.read()
    return Usage(
        counters.cpu_usec,
        counters.memory_peak_bytes,
        counters.throttled_usec,
        counters.throttled_periods,
        counters.oom_kills,
    )
