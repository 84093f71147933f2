"""Steps of builds outside of the home: in directories (`carried`) and at registries (`afar`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from typing import Protocol

from containerlab import errors
from containerlab.build.cache import carried
from containerlab.build.cache.places import Place
from containerlab.build.cache.steps import Cached, Key
from containerlab.store.blobs import Blobs
from containerlab.store.images import Images

__all__ = ["Elsewhere", "opened", "write"]


class Elsewhere(Protocol):
    """A cache outside of the home, as a build looks into it."""

    def take(self, key: Key, blobs: Blobs) -> Cached | None:
        """Bring the layer of a step into a store, if the step is there.

        Raises: DigestMismatch, and then nothing is brought in.
        """


def opened(places: Iterable[Place], stack: ExitStack, notice: Callable[[str], None]) -> Iterator[Elsewhere]:
    """Open caches, until `stack` ends; one at a registry that is not there yet is no reason to fail."""
    for place in places:
        if place.reference is None:
            yield carried.read(place.directory)
            continue
        from containerlab.build.cache import afar
        from containerlab.distribution.remote import Remote

        remote = stack.enter_context(Remote(place.reference, tls_verify=place.tls_verify))
        try:
            yield afar.read(remote, place.reference)
        except (errors.NotFound, errors.NotPermitted, errors.Unavailable) as error:
            notice(f"no steps are taken from {place.reference.familiar()}: {error.message}")


def write(place: Place, steps: Sequence[Cached], images: Images) -> None:
    """Write steps with their layers; the caller holds a lease.

    Raises: InvalidInput for a directory that holds something else; NotPermitted, Unavailable.
    """
    try:
        if place.reference is None:
            carried.write(place.directory, steps, images.blobs)
        else:
            from containerlab.build.cache import afar

            afar.write(place.reference, steps, images, place.tls_verify)
    except errors.LabError:
        if not place.ignores_errors:
            raise
