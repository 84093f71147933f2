"""Samples in the order of time, the newest of them kept, and as a pandas frame."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

from containerlab.errors import wanted
from containerlab.metrics.sample import Pressure, Sample

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Series"]

KEPT = 36000
"""An hour at ten samples a second."""

_PLAIN = (
    "cpu_s",
    "cpu_limit_cores",
    "cpu_throttled_s",
    "periods",
    "throttled_periods",
    "memory_bytes",
    "memory_limit_bytes",
    "memory_peak_bytes",
    "memory_anon_bytes",
    "memory_cache_bytes",
    "swap_bytes",
    "oom_kills",
    "pids",
    "pids_limit",
    "io_read_bytes",
    "io_write_bytes",
)


def _field(name: str) -> Callable[[Sample], float | None]:
    def value(sample: Sample) -> float | None:
        found: float | None = getattr(sample, name)
        return found

    return value


def _waited(resource: str, kind: str) -> Callable[[Sample], float | None]:
    def value(sample: Sample) -> float | None:
        pressure: Pressure | None = getattr(sample, f"pressure_{resource}")
        found: float | None = None if pressure is None else getattr(pressure, f"{kind}_s")
        return found

    return value


# Column: (counter, factor). A rate over the time since the sample before; unlike the kernel's averages it
# misses nothing.
_RATES: dict[str, tuple[Callable[[Sample], float | None], float]] = {
    "cpu_cores": (_field("cpu_s"), 1),
    "cpu_throttled_pct": (_field("cpu_throttled_s"), 100),
    "io_read_bytes_per_s": (_field("io_read_bytes"), 1),
    "io_write_bytes_per_s": (_field("io_write_bytes"), 1),
    **{
        f"pressure_{resource}_{kind}_pct": (_waited(resource, kind), 100)
        for resource in ("cpu", "memory", "io")
        for kind in ("some", "full")
    },
}


class Series:
    """A ring of samples: the newest `KEPT` of them. One thread may append while others read."""

    def __init__(self, samples: Iterable[Sample] = (), kept: int = KEPT) -> None:
        self._samples = deque(samples, maxlen=kept)

    def append(self, sample: Sample) -> None:
        """Add the newest sample."""
        self._samples.append(sample)

    def __len__(self) -> int:
        return len(self._samples)

    def __iter__(self) -> Iterator[Sample]:
        return iter(self._samples.copy())

    @property
    def last(self) -> Sample | None:
        """The newest sample."""
        return self._samples[-1] if self._samples else None

    def to_frame(self) -> pd.DataFrame:
        """Return a row for each sample, indexed by seconds since the first one.

        Columns: counters since the start (cpu_s, cpu_throttled_s, periods, throttled_periods, oom_kills,
        io_read_bytes, io_write_bytes), states (memory_*_bytes, swap_bytes, pids and the limits) and rates
        since the row before (cpu_cores, cpu_throttled_pct, io_*_bytes_per_s, pressure_*_pct). What nobody
        counts is NaN, and so are the rates of the first row.
        """
        pandas = wanted("pandas", "a frame")
        samples = list(self)
        start_s = samples[0].clock_s if samples else 0.0
        index = pandas.Index(
            [sample.clock_s - start_s for sample in samples], name="seconds", dtype="float64"
        )
        columns: dict[str, list[float | None]] = {
            name: [getattr(sample, name) for sample in samples] for name in _PLAIN
        }
        for name, (counter, factor) in _RATES.items():
            columns[name] = _rates(samples, counter, factor)
        frame: pd.DataFrame = pandas.DataFrame(columns, index=index, dtype="float64")
        return frame


def _rates(
    samples: list[Sample], counter: Callable[[Sample], float | None], factor: float
) -> list[float | None]:
    rates: list[float | None] = [None] * min(len(samples), 1)
    for before, after in pairwise(samples):
        old, new, seconds = counter(before), counter(after), after.clock_s - before.clock_s
        # A counter that falls belongs to another life of the container: no rate across that.
        known = old is not None and new is not None and seconds > 0 and new >= old
        rates.append((new - old) / seconds * factor if known else None)  # type: ignore[operator]
    return rates
