"""What a registry is sent, wherever it comes from: blobs that it has not, then manifests."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from typing import BinaryIO, NamedTuple

from containerlab.distribution.exchange import Body
from containerlab.distribution.refusals import RegistryRefused
from containerlab.distribution.remote import Fetched, Remote
from containerlab.distribution.transfer import parallel
from containerlab.distribution.transfer.progress import Blob, Status, Watcher
from containerlab.distribution.uploads import Session
from containerlab.oci.image import Descriptor, Manifest
from containerlab.store.blobs import Blobs

__all__ = ["Sending", "StoredBlob", "parts_of"]

_PIECE = 1 << 20
_QUESTIONS = 10
"""How many blobs are asked for at once: that costs nobody anything."""
_MOST_SOURCES = 2
"""Repositories that a blob may be in, of which it is tried to take it over."""


class StoredBlob(NamedTuple):
    """A blob of the store as a body.

    Who receives it has to hash it, so that is not done here too: of a push it would be most of the work.
    """

    blobs: Blobs
    descriptor: Descriptor

    @property
    def size(self) -> int | None:
        return self.descriptor.size

    def open(self) -> BinaryIO:
        return os.fdopen(self.blobs.open_fd(self.descriptor.digest, self.descriptor.size), "rb", _PIECE)

    def verify(self) -> None:
        """Read it. Raises: DigestMismatch when it is damaged in the store."""
        with self.blobs.open(self.descriptor) as stream:
            while stream.read(_PIECE):
                pass


class Sending:
    """To one repository.

    body: gives a blob to be sent. sources: other repositories of the registry that a blob may be in.
    """

    def __init__(
        self,
        remote: Remote,
        jobs: int,
        watch: Watcher,
        body: Callable[[Descriptor], Body],
        sources: Callable[[Descriptor], Sequence[str]],
    ) -> None:
        self._remote, self._jobs, self._watch = remote, jobs, watch
        self._body, self._sources = body, sources
        self._lock = threading.Lock()
        self.sent_bytes = 0

    def blobs(self, blobs: Sequence[Descriptor], stop: Callable[[], None]) -> None:
        """See that the registry has all of them; stop: is called when one fails."""
        for descriptor in blobs:
            self._tell(descriptor, "waiting")
        answers = parallel.each(blobs, self._remote.has_blob, _QUESTIONS, stop)
        missing = [blob for blob, is_there in zip(blobs, answers, strict=True) if not is_there]
        for descriptor in blobs:
            if descriptor not in missing:
                self._tell(descriptor, "exists", descriptor.size)
        missing.sort(key=lambda each: -each.size)
        parallel.each(missing, self._send, self._jobs, stop)

    def _send(self, descriptor: Descriptor) -> None:
        session: Session | None = None
        for source in self._sources(descriptor)[:_MOST_SOURCES]:
            session = self._remote.mount(descriptor, source)
            if session is None:
                self._tell(descriptor, "mounted", descriptor.size, source)
                return
        done = 0

        def progress(count: int) -> None:
            nonlocal done
            done += count
            self._tell(descriptor, "uploading", done)

        body = self._body(descriptor)
        try:
            self._remote.upload(descriptor, body, session, progress)
        except RegistryRefused:
            if isinstance(body, StoredBlob):
                body.verify()
            raise
        self._count(descriptor.size)
        self._tell(descriptor, "pushed", descriptor.size)

    def manifest(self, name: str, fetched: Fetched) -> None:
        """Send a manifest or an index, unless it is what the name leads to already."""
        descriptor = fetched.descriptor
        found = self._remote.head(name, (descriptor.media_type,))
        if found is None or found.digest != descriptor.digest:
            self._remote.put_manifest(name, fetched.raw, descriptor.media_type)
            self._count(descriptor.size)

    def _count(self, count: int) -> None:
        with self._lock:
            self.sent_bytes += count

    def _tell(self, descriptor: Descriptor, status: Status, done: int = 0, detail: str = "") -> None:
        self._watch(Blob(descriptor.digest, descriptor.size, status, done, detail))


def parts_of(manifests: Sequence[Fetched]) -> list[Descriptor]:
    """Return the configurations and layers of manifests, each once."""
    found: dict[str, Descriptor] = {}
    for fetched in manifests:
        document = fetched.document
        if isinstance(document, Manifest):
            found |= {each.digest: each for each in (document.config, *document.layers)}
    return list(found.values())
