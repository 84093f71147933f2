"""Sample a container at an interval, in a thread, until it ends or nobody wants more."""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Callable, Iterable
from types import TracebackType

from containerlab.linux.cgroups.plan import Plan
from containerlab.metrics.meter import CgroupMeter, Meter, ProcMeter
from containerlab.metrics.sample import Sample
from containerlab.metrics.series import Series

__all__ = ["Sampler", "meter_of", "take"]


def meter_of(plan: Plan, pids: Callable[[], Iterable[int]] | None = None) -> Meter:
    """Return what reads a container: its cgroups, or without any of them its processes."""
    if plan.directories or pids is None:
        return CgroupMeter(plan)
    return ProcMeter(pids)


def take(plan: Plan, pids: Callable[[], Iterable[int]] | None = None) -> Sample:
    """Take one sample.

    Raises: ProcessLookupError when the container is gone.
    """
    meter = meter_of(plan, pids)
    try:
        return meter.read()
    finally:
        meter.close()


class Sampler:
    """Fills `series` while it is entered; the first sample is there at once, the last one at the end.

        with Sampler(meter_of(plan), interval_s=0.2) as sampler:
            ...
        sampler.series.to_frame()

    `pidfd`, a descriptor of the container's first process, ends the sampling with it; the caller keeps it.
    The thread never prints; an error in it is raised when the sampler is left.
    """

    def __init__(self, meter: Meter, interval_s: float = 1.0, *, pidfd: int = -1) -> None:
        self.series = Series()
        self.interval_s = interval_s
        self._meter = meter
        self._pidfd = pidfd
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="containerlab-sampler", daemon=True)
        self._wake_read = self._wake_write = -1

    def __enter__(self) -> Sampler:
        self._wake_read, self._wake_write = os.pipe2(os.O_CLOEXEC)
        self._sample()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._wake_write)
        self._thread.join()
        os.close(self._wake_read)
        self._meter.close()
        if self._error and error is None:
            raise self._error

    @property
    def is_running(self) -> bool:
        """Whether more samples will come."""
        return self._thread.is_alive()

    def _run(self) -> None:
        poll = select.poll()
        poll.register(self._wake_read, select.POLLIN)
        if self._pidfd >= 0:
            poll.register(self._pidfd, select.POLLIN)
        ended = False
        try:
            while not ended:
                ended = bool(poll.poll(self.interval_s * 1000))
                ended = not self._sample() or ended
        except Exception as error:
            self._error = error

    def _sample(self) -> bool:
        try:
            self.series.append(self._meter.read())
        except ProcessLookupError:
            return False
        return True
