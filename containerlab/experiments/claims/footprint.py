"""Claim 3: containers share one kernel and libraries, so their memory is tiny."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

from containerlab.errors import LabError
from containerlab.experiments.claims import growth
from containerlab.experiments.claims.instances import patience_s
from containerlab.experiments.experiment import Contestant, Experiment, Measurement, Stage, Verdict
from containerlab.experiments.row import Row
from containerlab.experiments.subject import PROBE, Instance, Subject
from containerlab.vm.tiers import TIERS

__all__ = ["Footprint", "Idle", "available_bytes", "counts", "pss_bytes"]

COUNTS, QUICK_COUNTS = (1, 2, 5, 10, 20), (1, 2)
_FEW = 5
"""Of machines, on a host with less memory than this:"""
_MUCH_BYTES = 24 << 30
_OF_QEMU_BYTES = 128 << 20
"""What a machine takes beside its guest's memory: QEMU, its devices, translated code."""
_SHARE_OF_AVAILABLE = 0.6


def counts(tier: str, available_bytes: int, *, is_quick: bool = False) -> tuple[int, ...]:
    """Return how many instances there are to be at once, one after the other.

    tier: of a machine, empty for what takes next to nothing. Machines get no more than six tenths of the
    memory that is available, and there are no more than 5 of them where that is less than 24 GiB.

    >>> counts("", 1 << 30), counts("microvm", 16 << 30), counts("classic", 1 << 30)
    ((1, 2, 5, 10, 20), (1, 2, 5), (1,))
    """
    wanted = QUICK_COUNTS if is_quick else COUNTS
    if tier not in TIERS:
        return wanted
    fitting = int(available_bytes * _SHARE_OF_AVAILABLE) // (TIERS[tier].memory_bytes + _OF_QEMU_BYTES)
    most = fitting if available_bytes >= _MUCH_BYTES else min(fitting, _FEW)
    return tuple(count for count in wanted if count <= max(most, 1))


class Idle:
    """What instances that do nothing take of the host: each number of them at once, from one upwards."""

    name = "idle"
    rounds, quick_rounds, warm_ups = 2, 1, 0

    def contestants(self, stage: Stage) -> Sequence[Contestant]:
        available = available_bytes()
        return [
            Contestant(
                each.name,
                each.kind,
                each.tier,
                each.facts,
                partial(_grow, each, counts(each.tier, available, is_quick=stage.is_quick)),
            )
            for each in stage.subjects
        ]


def available_bytes() -> int:
    """Return how much memory new programs may take before others are swapped out. Source: proc_meminfo(5)."""
    found = re.search(r"MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text())
    return int(found[1]) * 1024 if found else 0


def _grow(subject: Subject, wanted: Sequence[int]) -> Iterator[Measurement]:
    with contextlib.ExitStack() as stack:
        instances: list[Instance] = []
        for count in wanted:
            try:
                instances += _more(subject, count - len(instances), stack)
            except LabError as error:  # what fewer of them take is known all the same
                if not instances:
                    raise
                yield Measurement("pss_bytes", None, count, str(error))
                return
            yield from _taken(instances)


def _more(subject: Subject, count: int, stack: contextlib.ExitStack) -> list[Instance]:
    """Start so many at once, and wait until all are ready."""
    new = [_begin(subject, stack) for _ in range(count)]
    for instance in new:
        instance.first_output_at(patience_s(subject) * count)
    return new


def _begin(subject: Subject, stack: contextlib.ExitStack) -> Instance:
    instance = subject.create([PROBE, "idle"])
    stack.callback(instance.delete)
    instance.start()
    return instance


def _taken(instances: Sequence[Instance]) -> Iterator[Measurement]:
    """Measure all of them together."""
    count = len(instances)
    pids = {pid for instance in instances for pid in instance.pids()}
    yield Measurement("pss_bytes", pss_bytes(pids), count)
    yield Measurement("processes", len(pids), count)
    yield Measurement("disk_bytes", sum(instance.disk_bytes() for instance in instances), count)
    of_cgroups = [instance.memory_bytes() for instance in instances]
    counted = [size for size in of_cgroups if size is not None]
    if len(counted) == count:
        yield Measurement("cgroup_bytes", sum(counted), count)
    else:
        yield Measurement("cgroup_bytes", None, count, "no cgroup counts its memory alone")


def pss_bytes(pids: Iterable[int]) -> int:
    """Return the memory of processes; of a page that n of them share, each has an n-th.

    Source: proc_pid_smaps(5).
    """
    return sum(_pss_bytes(pid) for pid in pids)


def _pss_bytes(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except (FileNotFoundError, ProcessLookupError):  # it has ended since
        return 0
    found = re.search(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


class Footprint:
    """See `Claim`."""

    name = "footprint"
    sentence = "Containers share one kernel and libraries, so their memory is tiny."
    experiments: Sequence[Experiment] = (Idle(),)

    def judge(self, rows: Sequence[Row]) -> Sequence[Verdict]:
        return growth.judge(self.name, rows)
