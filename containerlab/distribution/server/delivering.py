"""The job that sends what webhooks have to deliver: a thread for each that has something, so that none waits
for another.
"""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor

from containerlab.distribution.server import deliveries
from containerlab.distribution.server.posting import Poster
from containerlab.distribution.server.registry import Registry

__all__ = ["Delivering"]

_MOST_THREADS = 64
_LOG = logging.getLogger(__name__)


class Delivering:
    """See `worker.Job`."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._poster = Poster(allows_private=registry.settings.allows_private_targets)
        self._pool = ThreadPoolExecutor(_MOST_THREADS, "registry-webhook")
        self._lock = threading.Lock()
        self._busy: set[int] = set()
        self._is_closed = False

    def step(self) -> None:
        """Queue what has happened, and begin what is due."""
        deliveries.enqueue(self._registry)
        for webhook in deliveries.due(self._registry):
            with self._lock:
                is_new = webhook not in self._busy
                self._busy.add(webhook)
            if is_new:
                self._pool.submit(self._deliver, webhook)

    def close(self) -> None:
        """End what is being sent: it is sent again by who goes on."""
        self._is_closed = True
        self._poster.close()
        self._pool.shutdown(cancel_futures=True)

    def _deliver(self, webhook: int) -> None:
        try:
            while not self._is_closed and deliveries.attempt(self._registry, self._poster, webhook):
                pass
        except Exception:
            _LOG.exception("webhook %s could not be served", webhook)
        finally:
            with self._lock:
                self._busy.discard(webhook)
