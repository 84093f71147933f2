"""The job that makes the copies of replications: a thread for each that has some to make."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from containerlab import errors
from containerlab.distribution.remote import Remote
from containerlab.distribution.server import copies, replications
from containerlab.distribution.server.copies import Turn
from containerlab.distribution.server.incoming import Incoming
from containerlab.distribution.server.outgoing import Outgoing
from containerlab.distribution.server.planning import destination
from containerlab.distribution.server.registry import Registry
from containerlab.distribution.server.rights import SYSTEM

__all__ = ["Replicating"]

_MOST_THREADS = 8
_LOG = logging.getLogger(__name__)


class Replicating:
    """See `worker.Job`."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._pool = ThreadPoolExecutor(_MOST_THREADS, "registry-replication")
        self._lock = threading.Lock()
        self._busy: set[int] = set()
        self._remotes: set[Remote] = set()
        self._is_closed = False

    def step(self) -> None:
        """Queue what was pushed, begin what is due by schedule, and make copies."""
        copies.enqueue(self._registry)
        for number in sorted({*replications.due(self._registry), *copies.due(self._registry)}):
            with self._lock:
                is_new = number not in self._busy
                self._busy.add(number)
            if is_new:
                self._pool.submit(self._replicate, number)

    def close(self) -> None:
        """End what is being copied: it is begun again by who goes on."""
        with self._lock:
            self._is_closed = True
            for remote in self._remotes:
                remote.close()
        self._pool.shutdown(cancel_futures=True)

    def _replicate(self, number: int) -> None:
        try:
            if number in replications.due(self._registry):
                self._run(number)
            while not self._is_closed and (turn := copies.begin(self._registry, number)):
                self._take(number, turn)
        except errors.NotFound:  # it was removed meanwhile
            pass
        except Exception:
            _LOG.exception("replication %s failed", number)
        finally:
            with self._lock:
                self._busy.discard(number)

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
        except errors.LabError as error:
            if not self._is_closed:
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
            if self._is_closed:
                raise errors.Unavailable("the server is being stopped")
            self._remotes.add(remote)
        try:
            yield
        finally:
            with self._lock:
                self._remotes.discard(remote)
