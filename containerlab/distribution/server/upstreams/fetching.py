"""Blobs through the cache: sent on while they come, stored and verified, once for all who want them.

A thread writes what comes; whoever wants the blob, in this process or another, reads along in its file. The
last byte is given only when the digest has proved right: nobody takes what was not for complete. The first is
given only when the own upstream of the repository was seen to have the blob, whoever brings it here: else
a digest would be enough to get what others keep to themselves.
"""

from __future__ import annotations

import os

from containerlab import errors
from containerlab.distribution.remote import Remote
from containerlab.distribution.server.content import blobs, documents
from containerlab.distribution.server.content.blobs import Blob
from containerlab.distribution.server.organizations import quotas
from containerlab.distribution.server.problems import BlobUnknown
from containerlab.distribution.server.registry import Registry
from containerlab.distribution.server.rights import SYSTEM, Identity, organization_of
from containerlab.distribution.server.upstreams import mirroring, upstreams
from containerlab.distribution.server.upstreams.upstreams import Served
from containerlab.distribution.transfer.arriving import arriving
from containerlab.oci.image import Descriptor
from containerlab.store.blobs import CONTENT_LOCK
from containerlab.store.home import is_locked

__all__ = ["Arrival", "find"]

_CHUNK = 128 << 10
"""Comes as a whole before it is written, and so before anybody who waits gets any of it."""
_BLOB = "application/octet-stream"


def find(registry: Registry, identity: Identity, name: str, digest: str) -> Arrival | None:
    """Return how a blob that a repository lacks can come; None when it is looked for nowhere.

    Raises: NotPermitted; BlobUnknown when no manifest of the repository has it; Denied by the quota.
    """
    served = upstreams.serving(registry, name)
    if served is None:
        return None
    mirroring.require_read(registry, identity, name)
    blob = _announced(registry, name, blobs.checked_digest(digest))
    state = registry.upstream_state
    if state.is_missing((served.id, name, digest)):
        raise BlobUnknown(f"{served.policy.registry}/{served.name} has no {digest}")
    with registry.reader.reading() as connection:
        quotas.check(connection, organization_of(name), blob.size, digest)
    return Arrival(registry, served, name, blob)


class Arrival:
    """A blob that is to come; closed by who got it. But for `start`, methods block only for a moment."""

    def __init__(self, registry: Registry, served: Served, name: str, blob: Blob) -> None:
        self.blob = blob
        self._registry, self._served, self._name = registry, served, name
        self._descriptor = Descriptor(media_type=_BLOB, digest=blob.digest, size=blob.size)
        self._key = (served, blob.digest)
        self._followed: int | None = None
        self._stored: int | None = None

    def start(self) -> None:
        """See that somebody fetches it.

        Raises: BlobUnknown when the upstream has not got what is here already.
        """
        state = self._registry.upstream_state
        is_coming = self._is_stored() or self._follow()
        if state.fetches(self.blob.digest) == self._name:
            return
        if is_coming or not state.begin(self.blob.digest, self._name, self._download):
            state.prove(self._key, self._prove)

    def close(self) -> None:
        """Close the files; who fetches goes on."""
        for fd in (self._followed, self._stored):
            if fd is not None:
                os.close(fd)
        self._followed = self._stored = None

    def read(self, position: int, most: int) -> bytes | None:
        """Return bytes from a position on, as far as they are there; None when one has to wait.

        Raises: BlobUnknown, Unavailable when it does not come.
        """
        if self._stored is None and self._is_here():
            self._link()
            self._stored = blobs.open_file(self._registry, self.blob)
        if self._stored is not None:
            return os.pread(self._stored, most, position)
        if not self._is_proven() or not self._follow():
            self._raise_if_ended()
            return None
        assert self._followed is not None
        there = min(os.fstat(self._followed).st_size, self.blob.size - 1) - position
        if there > 0:
            return os.pread(self._followed, min(most, there), position)
        self._raise_if_ended()
        return None

    def is_complete(self) -> bool:
        """Tell whether all of it is here, verified, and the repository's.

        Raises: BlobUnknown, Unavailable when it does not come.
        """
        if not self._is_here():
            self._raise_if_ended()
            return False
        self._link()
        return True

    def _is_here(self) -> bool:
        return self._is_proven() and self._is_stored()

    def _is_proven(self) -> bool:
        return self._registry.upstream_state.is_proven(self._key)

    def _is_stored(self) -> bool:
        return self._registry.blobs.has(self.blob.digest)

    def _follow(self) -> bool:
        if self._followed is None:
            self._followed = self._registry.blobs.follow(self._descriptor)
        return self._followed is not None

    def _raise_if_ended(self) -> None:
        """Raise when nobody fetches it any more, and it is not here."""
        state = self._registry.upstream_state
        if state.fetches(self.blob.digest) is not None:
            return
        if self._is_proven() and (self._is_written() or self._is_stored()):
            return
        error = state.failure(self.blob.digest)
        if isinstance(error, errors.NotFound):
            raise BlobUnknown(error.message)
        why = error.message if error else "who fetched it was stopped"
        raise errors.Unavailable(f"{self.blob.digest} does not come: {why}", "try again")

    def _is_written(self) -> bool:
        return is_locked(self._followed) if self._followed is not None else self._follow()

    def _prove(self) -> None:
        """See that the upstream has in this repository what the store has from elsewhere."""
        try:
            with self._remote().blob(self._descriptor) as download:
                download.read(1)
        except errors.NotFound as error:
            raise BlobUnknown(error.message) from error

    def _remote(self) -> Remote:
        return mirroring.remote(self._registry, self._served)

    def _download(self) -> None:
        registry, state = self._registry, self._registry.upstream_state

        def told(count: int, is_fetched: bool) -> None:
            if state.is_closed:
                raise errors.Unavailable("the server is being stopped")
            if is_fetched and not self._is_proven():
                state.note_proven(self._key)

        try:
            with registry.blobs.lease():
                remote = self._remote()
                with arriving(
                    registry.blobs,
                    self._descriptor,
                    lambda start: remote.blob(self._descriptor, start),
                    told,
                ) as stream:
                    while stream.read(_CHUNK):
                        pass
                state.prove(self._key, self._prove)
                self._link()
        except errors.NotFound:
            state.note_missing((self._served.id, self._name, self.blob.digest))
            raise

    def _link(self) -> None:
        registry = self._registry
        with registry.home.lock(CONTENT_LOCK, shared=True):
            if not registry.blobs.keep(self._descriptor):
                raise errors.Unavailable(f"{self.blob.digest} is gone again", "try again")
            with registry.database.writing() as connection:
                blobs.link(registry, connection, SYSTEM, self._name, self.blob)


def _announced(registry: Registry, name: str, digest: str) -> Blob:
    """Return a blob with the size that a manifest of the repository says it has.

    Raises: BlobUnknown when none names it: this is no way to whatever the upstream has.
    """
    with registry.reader.reading() as connection:
        rows = connection.execute(
            "SELECT m.digest, m.media_type FROM parts p JOIN repositories r ON r.id = p.repository"
            " JOIN manifests m ON m.repository = p.repository AND m.digest = p.manifest"
            " WHERE r.name = ? AND p.digest = ? LIMIT 1",
            (name, digest),
        ).fetchall()
    for manifest, media_type in rows:
        for part in documents.read(registry.blobs.read(manifest), media_type).parts:
            if part.digest == digest and part.kind != "manifest":
                return Blob(digest, part.size)
    raise BlobUnknown(f"no such blob in {name}: {digest}")
