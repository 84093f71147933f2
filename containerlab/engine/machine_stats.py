"""Measures of virtual machines, from the host and from inside."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from containerlab.backends.machine import MachineInfo, MachineSample
from containerlab.errors import LabError

if TYPE_CHECKING:
    from containerlab.views.table import Table

__all__ = ["Measured", "measure", "table"]

_INTERVAL_S = 0.5


class Measured(NamedTuple):
    """One machine's measures; `now` is None when it does not run."""

    info: MachineInfo
    before: MachineSample | None
    now: MachineSample | None

    def of(self, name: str) -> int | None:
        """Return a field of the sample."""
        return None if self.now is None else getattr(self.now, name)

    @property
    def cpu_pct(self) -> float | None:
        """CPU time of QEMU in per cent of one processor of the host."""
        return self._share("cpu_s")

    @property
    def guest_cpu_pct(self) -> float | None:
        """CPU time that the guest counts, in per cent of one of its processors."""
        return self._share("guest_cpu_s")

    def _share(self, name: str) -> float | None:
        if self.before is None or self.now is None:
            return None
        first: float | None = getattr(self.before, name)
        last: float | None = getattr(self.now, name)
        duration_s = self.now.clock_s - self.before.clock_s
        if first is None or last is None or duration_s <= 0:
            return None
        return max(0.0, last - first) / duration_s * 100


def measure(infos: Sequence[MachineInfo], sample: Callable[[str], MachineSample]) -> list[Measured]:
    """Measure machines twice."""
    before = [_taken(info, sample) for info in infos]
    if any(before):
        time.sleep(_INTERVAL_S)
    return [Measured(info, first, _taken(info, sample)) for info, first in zip(infos, before, strict=True)]


def _taken(info: MachineInfo, sample: Callable[[str], MachineSample]) -> MachineSample | None:
    if info.status not in ("running", "paused"):
        return None
    try:
        return sample(info.id)
    except LabError:  # it has ended
        return None


def table(rows: Sequence[Measured]) -> Table[Measured]:
    """Lay measures out."""
    from containerlab.engine.machine_columns import STATS
    from containerlab.views.table import Table

    return Table(rows, STATS)
