"""The job that sends what webhooks have to deliver: a thread for each that has something, so that none waits
for another.
"""

from __future__ import annotations

from containerlab.distribution.server.registry import Registry
from containerlab.distribution.server.upkeep.crew import Crew
from containerlab.distribution.server.webhooks import deliveries
from containerlab.distribution.server.webhooks.posting import Poster

__all__ = ["Delivering"]

_MOST_THREADS = 64
_PATIENCE_S = 3.0


class Delivering:
    """See `worker.Job`."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._poster = Poster(allows_private=registry.settings.allows_private_targets)
        self._crew = Crew("webhook", _MOST_THREADS)

    def step(self) -> None:
        """Queue what has happened, and begin what is due."""
        deliveries.enqueue(self._registry)
        for webhook in deliveries.due(self._registry):
            self._crew.start(webhook, self._deliver)

    def close(self) -> None:
        """End what is being sent: it is sent again by who goes on."""
        self._poster.close()
        self._crew.stop(_PATIENCE_S)

    def _deliver(self, webhook: int) -> None:
        while not self._crew.is_stopped and deliveries.attempt(self._registry, self._poster, webhook):
            pass
