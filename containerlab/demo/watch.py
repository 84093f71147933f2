"""Run a container in the background and sample it until it ends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from containerlab.errors import Conflict, NotFound
from containerlab.metrics.sampler import Sampler
from containerlab.metrics.series import Series

if TYPE_CHECKING:
    from containerlab.backends.base import ExitStatus
    from containerlab.engine.engine import Engine
    from containerlab.metrics.sample import Sample
    from containerlab.views.chart import Chart

__all__ = ["Watched", "watch"]

INTERVAL_S = 0.01
"""A tenth of the period of a cpu limit: fine enough to see it run and wait."""
COARSE_INTERVAL_S = 0.08
"""Without cgroups the kernel counts CPU time in ticks of 10 ms."""
PATIENCE_S = 60.0


class Watched(NamedTuple):
    """What a container did: how it ended, what it printed, and what it used at each moment."""

    status: ExitStatus
    output: str
    series: Series
    notices: tuple[str, ...]

    @property
    def was_counted(self) -> bool:
        """Whether a cgroup counted, so that limits could hold."""
        return any(sample.source == "cgroup" for sample in self.series)

    def chart(self, resource: str) -> Chart:
        """Return a picture of one resource of `views.plot.RESOURCES`: "cpu", "memory", …"""
        from containerlab.views.chart import Chart

        return Chart(self.series.to_frame(), resource)


class _Meter:
    """Asks the engine for a sample whenever one is wanted."""

    def __init__(self, engine: Engine, name: str) -> None:
        self._engine = engine
        self._name = name
        self._cpu_s = 0.0

    def read(self) -> Sample:
        """Return what was used until now; raises ProcessLookupError when the container has ended."""
        try:
            sample = self._engine.containers.sample(self._name)
        except (Conflict, NotFound) as error:
            raise ProcessLookupError(str(error)) from error
        # Where processes are added up, those that end take their time along.
        self._cpu_s = max(self._cpu_s, sample.cpu_s or 0.0)
        return msgspec.structs.replace(sample, cpu_s=self._cpu_s)

    def close(self) -> None:
        """Nothing is open."""


def watch(engine: Engine, image: str, command: Sequence[str], **options: Any) -> Watched:
    """Run a container to its end and return all that was seen; it is removed afterwards."""
    with engine.containers.start(image, command, **options) as container:
        interval_s = COARSE_INTERVAL_S if container.info.notices else INTERVAL_S
        with Sampler(_Meter(engine, container.id), interval_s) as sampler:
            status = container.wait(timeout=PATIENCE_S)
        output = container.logs().to_text()
        series = _with_waiting_where_it_was(_with_kill(sampler.series, status))
        return Watched(status, output, series, container.info.notices)


def _with_kill(series: Series, status: ExitStatus) -> Series:
    """Add what the monitor saw: an OOM kill takes the cgroup along before the next sample."""
    last = series.last
    if last is None or not status.oom_killed or last.oom_kills:
        return series
    kill = msgspec.structs.replace(
        last,
        time=status.finished_at,
        clock_s=last.clock_s + max(0.0, status.finished_at - last.time),
        memory_bytes=status.usage.peak_memory_bytes,
        memory_peak_bytes=status.usage.peak_memory_bytes,
        oom_kills=1,
    )
    return Series([*series, kill])


def _with_waiting_where_it_was(series: Series) -> Series:
    """Move throttled time back to when it passed: the kernel counts a wait only when it is over."""
    moved: list[Sample] = []
    for sample in reversed(list(series)):
        waited_s = sample.cpu_throttled_s
        later = moved[-1] if moved else sample
        if waited_s is not None and later.cpu_throttled_s is not None:
            waited_s = max(waited_s, later.cpu_throttled_s - (later.clock_s - sample.clock_s))
        moved.append(msgspec.structs.replace(sample, cpu_throttled_s=waited_s))
    return Series(reversed(moved))
