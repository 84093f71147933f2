"""What a server does by itself, beside answering: webhooks, replication, schedules.

Each job has a thread, and a lock in the home, so that of several processes of a server exactly one does it.
The kernel lets go of the lock of a process that is killed, and another takes over.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol

from containerlab import errors
from containerlab.distribution.server.accounts import sweeping
from containerlab.distribution.server.archives import archives
from containerlab.distribution.server.content import uploads
from containerlab.distribution.server.registry import Registry
from containerlab.distribution.server.replication.replicating import Replicating
from containerlab.distribution.server.rules import retention
from containerlab.distribution.server.upkeep import garbage
from containerlab.distribution.server.upkeep.examining import Examining
from containerlab.distribution.server.upkeep.steadiness import Steadiness
from containerlab.distribution.server.webhooks.delivering import Delivering

__all__ = ["JOBS", "Job", "Periodic", "Worker"]

_PAUSE_S = 0.25
"""Between two looks at what has happened: two statements that find nothing take some 20 µs."""
_AFTER_ERROR_S = 5.0
_SWEEP_S = 600.0
_SCHEDULES_S = 60.0
_GARBAGE_S = 3600.0
_LOG = logging.getLogger(__name__)


class Job(Protocol):
    """Work of one kind; made when the lock of its name is held, closed before it is let go."""

    def step(self) -> None:
        """Do what is due and return soon: what takes long goes on in threads of its own."""

    def close(self) -> None:
        """Stop: end or leave what is going on, so that another process can take it up."""


class Periodic:
    """A function that is called again and again; it has to return within seconds, or be safe to be killed."""

    def __init__(
        self,
        registry: Registry,
        every_s: float,
        function: Callable[[Registry], object],
        *,
        first_s: float = 0.0,
        steadiness: Steadiness | None = None,
    ) -> None:
        """Say how often, and how long after the start for the first time.

        steadiness: of the clock, where something is forgotten for its age.
        """
        self._steadiness = steadiness
        self._registry, self._every_s, self._function = registry, every_s, function
        self._next = registry.now() + first_s

    def step(self) -> None:
        now = self._registry.now()
        is_steady = self._steadiness is None or self._steadiness.is_steady()
        # Earlier than the last time: the clock was set back.
        if is_steady and not self._next - self._every_s <= now < self._next:
            self._next = now + self._every_s
            self._function(self._registry)

    def close(self) -> None:
        """Nothing goes on between two calls."""


def _sweep(registry: Registry) -> None:
    uploads.sweep(registry)
    archives.sweep(registry)
    sweeping.sweep(registry)


def _forgetting(
    registry: Registry, every_s: float, function: Callable[[Registry], object], first_s: float = 0.0
) -> Periodic:
    return Periodic(registry, every_s, function, first_s=first_s, steadiness=Steadiness(registry.now))


JOBS: dict[str, Callable[[Registry], Job]] = {
    "webhooks": Delivering,
    "replication": Replicating,
    "sweep": lambda registry: _forgetting(registry, _SWEEP_S, _sweep),
    "retention": lambda registry: _forgetting(registry, _SCHEDULES_S, retention.run_due),
    "examinations": Examining,
    "deletions": garbage.Deletions,
    "garbage": lambda registry: _forgetting(registry, _GARBAGE_S, garbage.sweep, _SWEEP_S),
}
"""By the name of the lock."""


class Worker:
    """Runs all jobs until it is stopped; a context manager."""

    def __init__(self, registry: Registry, jobs: dict[str, Callable[[Registry], Job]] = JOBS) -> None:
        self._registry = registry
        self._stop = threading.Event()
        self._threads: Sequence[threading.Thread] = [
            threading.Thread(target=self._take_turns, args=job, name=f"registry-{job[0]}")
            for job in jobs.items()
        ]

    def __enter__(self) -> Worker:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Begin, in threads."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End, and wait until all have."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _take_turns(self, name: str, make: Callable[[Registry], Job]) -> None:
        """Do a job whenever no other process does."""
        while not self._stop.is_set():
            with suppress(errors.Conflict), self._registry.home.lock(f"registry-{name}", wait=False):
                self._do(name, make)
            self._stop.wait(4 * _PAUSE_S)

    def _do(self, name: str, make: Callable[[Registry], Job]) -> None:
        job = make(self._registry)
        pause_s = _PAUSE_S
        try:
            while not self._stop.wait(pause_s):
                try:
                    job.step()
                    pause_s = _PAUSE_S
                except Exception:  # a full disk, say: the job has to go on when it is over
                    _LOG.exception("the registry's job %s failed; it goes on in %s s", name, _AFTER_ERROR_S)
                    pause_s = _AFTER_ERROR_S
        finally:
            job.close()
