"""The job that makes the copies of replications: a thread for each that has some to make."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterator

from containerlab import errors
from containerlab.distribution.remote import Remote
from containerlab.distribution.server.registry import Registry
from containerlab.distribution.server.replication import copies, replications
from containerlab.distribution.server.replication.copies import Turn
from containerlab.distribution.server.replication.incoming import Incoming
from containerlab.distribution.server.replication.outgoing import Outgoing
from containerlab.distribution.server.replication.planning import destination
from containerlab.distribution.server.rights import SYSTEM
from containerlab.distribution.server.upkeep.crew import Crew

__all__ = ["Replicating"]

_MOST_THREADS = 8
_PATIENCE_S = 5.0
_LOG = logging.getLogger(__name__)


class Replicating:
    """See `worker.Job`."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._crew = Crew("replication", _MOST_THREADS)
        self._lock = threading.Lock()
        self._remotes: set[Remote] = set()

    def step(self) -> None:
        """Queue what was pushed, begin what is due by schedule, and make copies."""
        copies.enqueue(self._registry)
        for number in sorted({*replications.due(self._registry), *copies.due(self._registry)}):
            self._crew.start(number, self._replicate)

    def close(self) -> None:
        """End what is being copied: it is begun again by who goes on."""
        self._crew.is_stopped = True
        with self._lock:
            for remote in self._remotes:
                remote.close()
        self._crew.stop(_PATIENCE_S)

    def _replicate(self, number: int) -> None:
        with contextlib.suppress(errors.NotFound):  # it was removed meanwhile
            if number in replications.due(self._registry):
                self._run(number)
            while not self._crew.is_stopped and (turn := copies.begin(self._registry, number)):
                self._take(number, turn)

    def _run(self, number: int) -> None:
        """Plan a run by schedule; when the other registry cannot be asked, at the next time of it."""
        try:
            replications.run(self._registry, SYSTEM, number)
        except errors.LabError as error:
            _LOG.warning("replication %s could not be planned: %s", number, error)
            replications.postpone(self._registry, number)

    def _take(self, number: int, turn: Turn) -> None:
        try:
            detail = self._make(number, turn)
        except Exception as error:  # whatever it is, it must not be tried without a pause
            if self._crew.is_stopped:
                return
            if not isinstance(error, errors.LabError):
                _LOG.exception("replication %s failed", number)
                error = errors.LabError(f"it failed: {error}")
            copies.note_failure(self._registry, number, turn.copy, error)
        else:
            copies.note_done(self._registry, number, turn.copy, detail)

    def _make(self, number: int, turn: Turn) -> str:
        copy, policy = turn
        name = destination(policy, copy.repository)
        there = name if policy.direction == "push" else copy.repository
        remote = replications.partner(self._registry, number).remote(self._registry, there)
        with remote, self._noted(remote):
            one: Outgoing | Incoming
            if policy.direction == "push":
                one = Outgoing(self._registry, copy.repository, remote)
            else:
                one = Incoming(self._registry, name, remote)
            return one.copy(copy.reference) if copy.action == "copy" else one.delete(copy.reference)

    @contextlib.contextmanager
    def _noted(self, remote: Remote) -> Iterator[None]:
        """Let `close` end what a connection waits for."""
        with self._lock:
            if self._crew.is_stopped:
                raise errors.Unavailable("the server is being stopped")
            self._remotes.add(remote)
        try:
            yield
        finally:
            with self._lock:
                self._remotes.discard(remote)
