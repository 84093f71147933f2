"""Measures of containers beside each other, as `docker stats` has them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from containerlab import units
from containerlab.backends.base import Backend, ContainerInfo
from containerlab.errors import Conflict, NotFound
from containerlab.views.table import Column, Table

if TYPE_CHECKING:
    from containerlab.metrics.sample import Sample

__all__ = ["Measured", "choose", "measure", "table"]

_INTERVAL_S = 0.5


class Measured(NamedTuple):
    """One container's measures; `now` is None when it does not run."""

    info: ContainerInfo
    now: Sample | None = None
    before: Sample | None = None
    """The sample that rates are taken from; None: none is known yet."""

    @property
    def cpu_pct(self) -> float | None:
        """CPU time in percent of one processor since the sample before."""
        if self.now is None or self.before is None or self.now.cpu_s is None or self.before.cpu_s is None:
            return None
        duration_s = self.now.clock_s - self.before.clock_s
        return max(0.0, self.now.cpu_s - self.before.cpu_s) / duration_s * 100 if duration_s > 0 else None

    @property
    def memory_limit_bytes(self) -> int | None:
        """The limit, or what the host has."""
        return None if self.now is None else self.now.memory_limit_bytes or _host_bytes()

    @property
    def memory_pct(self) -> float | None:
        """Memory in percent of the limit."""
        if self.now is None or self.now.memory_bytes is None or not self.memory_limit_bytes:
            return None
        return self.now.memory_bytes / self.memory_limit_bytes * 100


def _host_bytes() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def choose(backend: Backend, names: Sequence[str], options: Mapping[str, Any]) -> list[ContainerInfo]:
    """Return the containers that `stats` shows: those named, else all that run, or all."""
    if names:
        return [backend.inspect(name) for name in names]
    return [info for info in backend.list() if options.get("all") or info.status == "running"]


def measure(
    infos: Sequence[ContainerInfo], sample: Callable[[str], Sample], before: Sequence[Measured] = ()
) -> list[Measured]:
    """Measure containers; rates are since `before`, or over half a second when there is none."""
    if not before and infos:
        before = [Measured(info, _taken(info, sample)) for info in infos]
        if any(each.now for each in before):
            time.sleep(_INTERVAL_S)
    known = {each.info.id: each.now for each in before}
    return [Measured(info, _taken(info, sample), known.get(info.id)) for info in infos]


def _taken(info: ContainerInfo, sample: Callable[[str], Sample]) -> Sample | None:
    try:
        return sample(info.id)
    except (Conflict, NotFound, ProcessLookupError):  # it has ended
        return None


def _of_sample(name: str) -> Callable[[Measured], int | float | None]:
    return lambda row: None if row.now is None else getattr(row.now, name)


def _percent(value: float) -> str:
    return f"{value:.2f}%"


def _two(first: str, second: str) -> Callable[[Measured], list[int | float | None]]:
    return lambda row: [_of_sample(first)(row), _of_sample(second)(row)]


def _sizes(values: Sequence[int | None]) -> str:
    return " / ".join("--" if value is None else units.format_size(value) for value in values)


def _memory(row: Measured) -> list[int | float | None]:
    return [_of_sample("memory_bytes")(row), row.memory_limit_bytes]


def table(rows: Sequence[Measured]) -> Table[Measured]:
    """Return the columns of `docker stats`, and more for --format and Python."""
    return Table(rows, _COLUMNS)


_COLUMNS = (
    Column("id", "CONTAINER ID", lambda row: row.info.id, "id", "ID"),
    Column("name", "NAME", lambda row: row.info.name, "name", "Name"),
    Column("cpu_pct", "CPU %", lambda row: row.cpu_pct, "number", "CPUPerc", text=_percent),
    Column("memory", "MEM USAGE / LIMIT", _memory, "text", "MemUsage", text=_sizes),
    Column("memory_pct", "MEM %", lambda row: row.memory_pct, "number", "MemPerc", text=_percent),
    Column("network", "NET I/O", _two("net_read_bytes", "net_write_bytes"), "text", "NetIO", text=_sizes),
    Column("block_io", "BLOCK I/O", _two("io_read_bytes", "io_write_bytes"), "text", "BlockIO", text=_sizes),
    Column("pids", "PIDS", _of_sample("pids"), "number", "PIDs"),
    Column("container", "CONTAINER", lambda row: row.info.name, "text", "Container", is_visible=False),
    Column("cpu_s", "CPU TIME", _of_sample("cpu_s"), "seconds", "CPU", is_visible=False),
    Column("throttled_s", "THROTTLED", _of_sample("cpu_throttled_s"), "seconds", is_visible=False),
    *(
        Column(name, name.replace("_", " ").upper(), _of_sample(name), "size", is_visible=False)
        for name in ("memory_bytes", "memory_limit_bytes", "io_read_bytes", "io_write_bytes")
    ),
)
