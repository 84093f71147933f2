"""The verbs that reach registries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from containerlab.backends.embedded.ground import Ground

if TYPE_CHECKING:
    from containerlab.distribution.transfer.progress import Watcher
    from containerlab.distribution.transfer.pull import Pulled, PullOrder
    from containerlab.distribution.transfer.push import Pushed, PushOrder

__all__ = ["DistributingVerbs"]


class DistributingVerbs(Ground):
    """Implements `distributing.Distributing`."""

    def pull(self, name: str, order: PullOrder, watch: Watcher) -> list[Pulled]:
        """Bring an image, or all of a repository's, into the store, unpacked."""
        from containerlab.distribution.transfer.pull import pull

        return pull(self.store, self.layers, name, order, watch)

    def push(self, name: str, order: PushOrder, watch: Watcher) -> list[Pushed]:
        """Send an image, or all of a repository's, to the registry that its name says."""
        from containerlab.distribution.transfer.push import push

        return push(self.store, name, order, watch)
