"""What a backend can that reaches registries: an optional protocol, as those of `base`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from containerlab.distribution.transfer.progress import Watcher
    from containerlab.distribution.transfer.pull import Pulled, PullOrder
    from containerlab.distribution.transfer.push import Pushed, PushOrder

__all__ = ["Distributing"]


@runtime_checkable
class Distributing(Protocol):
    """Moves images to and from registries; `watch` is told how far it is, from any thread."""

    def pull(self, name: str, order: PullOrder, watch: Watcher) -> list[Pulled]:
        """Bring an image, or all of a repository's, into the store, ready to run."""

    def push(self, name: str, order: PushOrder, watch: Watcher) -> list[Pushed]:
        """Send an image, or all of a repository's, to the registry that its name says."""
