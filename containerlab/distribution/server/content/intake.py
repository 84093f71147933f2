"""Take what is not pushed by a client into a repository: archives, copies from other registries.

The same doors as for a push: blobs are linked, then manifests put, children before the index that names them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from containerlab import errors
from containerlab.distribution.server.content import blobs, documents
from containerlab.distribution.server.content.blobs import Blob
from containerlab.distribution.server.content.documents import Part
from containerlab.distribution.server.content.pushing import Push, push
from containerlab.distribution.server.registry import Registry
from containerlab.distribution.server.rights import Identity
from containerlab.distribution.transfer import parallel
from containerlab.oci.image import Descriptor
from containerlab.store.blobs import CONTENT_LOCK

__all__ = ["Intake", "Source"]

_MAX_DEPTH = 4
_JOBS = 4
_BLOB = "application/octet-stream"


class Source(Protocol):
    """Where it comes from."""

    def bring(self, blob: Descriptor, *, is_manifest: bool) -> None:
        """See that a blob is in the store, if the source has it: to be in the store already is not enough.

        Raises: NotFound, CorruptContent.
        """


class Intake:
    """What is taken into one repository as somebody; the caller holds a lease."""

    def __init__(self, registry: Registry, identity: Identity, repository: str, source: Source) -> None:
        self._registry, self._identity, self._repository = registry, identity, repository
        self._source = source

    def take(self, root: Descriptor, tags: Sequence[str] = (), depth: int = 0) -> None:
        """Take a manifest or an index in with all that it needs, and let tags lead to it.

        Raises: as `pushing.push`, and what the source does.
        """
        if depth == _MAX_DEPTH:
            raise errors.CorruptContent(f"index {root.digest} is nested too deeply")
        self._source.bring(root, is_manifest=True)
        document = documents.read(self._registry.blobs.read(root.digest), root.media_type)
        for part in document.parts:
            if part.kind == "manifest":
                self.take(Descriptor(media_type="", digest=part.digest, size=part.size), depth=depth + 1)
        parallel.each((part for part in document.parts if part.kind != "manifest"), self._take_blob, _JOBS)
        push(self._registry, self._identity, self._repository, Push(document, root.digest, tags))

    def _take_blob(self, part: Part) -> None:
        blob = Descriptor(media_type=_BLOB, digest=part.digest, size=part.size)
        try:
            self._source.bring(blob, is_manifest=False)
        except errors.NotFound:
            if part.is_elsewhere:
                return
            raise
        self._link(blob)

    def _link(self, blob: Descriptor) -> None:
        registry = self._registry
        with registry.home.lock(CONTENT_LOCK, shared=True):
            if not registry.blobs.keep(blob):
                raise errors.NotFound(f"the blob {blob.digest} is gone", "try again")
            with registry.database.writing() as connection:
                blobs.link(
                    registry, connection, self._identity, self._repository, Blob(blob.digest, blob.size)
                )
