"""What speaks about an image in a registry: referrers, and cosign's tags; and what speaks about those."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress

from containerlab import errors
from containerlab.distribution.remote import ACCEPTED, Fetched, Remote
from containerlab.oci import attached

__all__ = ["about"]

_MOST_DEPTH = 4


def about(remote: Remote, digests: Iterable[str]) -> dict[str, Fetched]:
    """Return manifests that speak about those with these digests, by the tag or digest they are known by."""
    found: dict[str, Fetched] = {}
    left = list(digests)
    for _ in range(_MOST_DEPTH):
        new = {name: each for digest in left for name, each in _about(remote, digest) if name not in found}
        found |= new
        left = [each.descriptor.digest for each in new.values()]
    return found


def _about(remote: Remote, digest: str) -> Iterator[tuple[str, Fetched]]:
    for descriptor in remote.referrers(digest):
        fetched = remote.manifest(descriptor.digest, (descriptor.media_type, *ACCEPTED))
        yield descriptor.digest, fetched
    for tag in attached.cosign_tags(digest):
        with suppress(errors.NotFound):
            yield tag, remote.manifest(tag)
