"""One image from another registry into a repository here, with all platforms and what speaks about it."""

from __future__ import annotations

import io

from containerlab import errors
from containerlab.distribution.remote import Remote
from containerlab.distribution.server.content import manifests
from containerlab.distribution.server.content.intake import Intake
from containerlab.distribution.server.problems import ManifestUnknown, NameUnknown
from containerlab.distribution.server.registry import Registry
from containerlab.distribution.server.rights import SYSTEM
from containerlab.distribution.transfer import speaking
from containerlab.distribution.transfer.arriving import arriving
from containerlab.oci.image import Descriptor

__all__ = ["Incoming"]


def _untold(count: int, is_fetched: bool) -> None:
    """Nobody watches."""


class Incoming:
    """From one repository there to one here; the source of an `Intake`."""

    def __init__(self, registry: Registry, repository: str, remote: Remote) -> None:
        self._registry, self._repository, self._remote = registry, repository, remote
        self._intake = Intake(registry, SYSTEM, repository, self)
        self._fetched_bytes = 0

    def copy(self, tag: str) -> str:
        """Fetch what a tag leads to there, and let it lead there here; return a sentence.

        Raises: NotFound, NotPermitted, Unavailable, CorruptContent.
        """
        with self._registry.blobs.lease():
            found = self._remote.head(tag)
            if found is None:
                return "it is not there any more"
            if not self._has(tag, found.digest):
                found = self._remote.manifest(tag).descriptor
                self._intake.take(found, [tag])
            count = self._take_speaking(found.digest)
        more = f", {count} that speak about it" if count else ""
        return f"{found.digest}: {self._fetched_bytes} bytes fetched{more}"

    def delete(self, tag: str) -> str:
        """Delete a tag here that is not there any more; return a sentence."""
        if self._remote.head(tag) is not None:
            return "it is there again"
        try:
            manifests.delete(self._registry, SYSTEM, self._repository, tag)
        except errors.NotFound:
            return "it was not here"
        return "deleted"

    def bring(self, blob: Descriptor, *, is_manifest: bool) -> None:
        """See `intake.Source`."""
        if is_manifest:
            fetched = self._remote.manifest(blob.digest)
            self._registry.blobs.copy(io.BytesIO(fetched.raw), fetched.descriptor)
            return
        if self._registry.blobs.keep(blob):
            # What the store has of others counts only when it can be had there too: a byte of it says so.
            with self._remote.blob(blob) as download:
                download.read(1)
            return
        self._fetched_bytes += blob.size
        with arriving(self._registry.blobs, blob, lambda start: self._remote.blob(blob, start), _untold):
            pass

    def _has(self, reference: str, digest: str) -> bool:
        try:
            found = manifests.find(self._registry, SYSTEM, self._repository, reference)
            return found.digest == digest
        except (ManifestUnknown, NameUnknown):
            return False

    def _take_speaking(self, digest: str) -> int:
        found = speaking.about(self._remote, [digest])
        for name, fetched in found.items():
            if not self._has(name, fetched.descriptor.digest):
                self._intake.take(fetched.descriptor, [] if ":" in name else [name])
        return len(found)
