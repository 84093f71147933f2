"""One image from here to another registry: whole, with all platforms and what speaks about it.

It is read from the store itself, not over the server's own port: that needs no password, no certificate and
no second copy in memory, and goes on while the server does not answer.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence

from containerlab import errors
from containerlab.distribution.remote import Fetched, Remote
from containerlab.distribution.server.content import manifests
from containerlab.distribution.server.content.documents import read
from containerlab.distribution.server.problems import ManifestUnknown, NameUnknown
from containerlab.distribution.server.registry import Registry
from containerlab.distribution.server.rights import SYSTEM
from containerlab.distribution.transfer.progress import nobody
from containerlab.distribution.transfer.sending import Sending, StoredBlob
from containerlab.oci import attached
from containerlab.oci.image import Descriptor, Index

__all__ = ["Outgoing"]

_JOBS = 4
_MOST_DEPTH = 4
_GONE = "it is not here any more"


class Outgoing:
    """From one repository to one there."""

    def __init__(self, registry: Registry, repository: str, remote: Remote) -> None:
        self._registry, self._repository, self._remote = registry, repository, remote
        self._sending = Sending(
            remote, _JOBS, nobody, lambda blob: StoredBlob(registry.blobs, blob), lambda blob: ()
        )
        self._done: set[str] = set()

    def copy(self, reference: str) -> str:
        """Send what a tag or a digest leads to; return a sentence.

        Raises: NotFound, NotPermitted, Unavailable, CorruptContent.
        """
        root = self._find(reference)
        if root is None:
            return _GONE
        self._send(root, reference)
        speaking = self._send_speaking(root.descriptor.digest, _MOST_DEPTH)
        more = f", {speaking} that speak about it" if speaking else ""
        return f"{root.descriptor.digest}: {self._sending.sent_bytes} bytes sent{more}"

    def delete(self, reference: str) -> str:
        """Delete there what is not here any more; return a sentence.

        Raises: NotPermitted, Unavailable, Unsupported.
        """
        if self._find(reference) is not None:
            return "it is here again"
        try:
            if ":" in reference:
                self._remote.delete_manifest(reference)
            else:
                self._remote.delete_tag(reference)
        except errors.NotFound:
            return "it was not there"
        return "deleted"

    def _find(self, reference: str) -> Fetched | None:
        try:
            found = manifests.find(self._registry, SYSTEM, self._repository, reference)
            raw = manifests.read(self._registry, found)
        except (ManifestUnknown, NameUnknown):
            return None
        descriptor = Descriptor(media_type=found.media_type, digest=found.digest, size=found.size)
        return Fetched(descriptor, raw)

    def _send(self, root: Fetched, name: str) -> None:
        """Send blobs, then manifests, each before the one that names it."""
        there = self._remote.head(name, (root.descriptor.media_type,))
        if there and there.digest == root.descriptor.digest:
            self._done.add(root.descriptor.digest)
            return
        parts = list(self._parts(root))
        self._sending.blobs(self._blobs(parts), self._remote.close)
        for each in parts[:-1]:
            self._sending.manifest(each.descriptor.digest, each)
        self._sending.manifest(name, root)
        self._done |= {each.descriptor.digest for each in parts}

    def _blobs(self, found: Sequence[Fetched]) -> list[Descriptor]:
        """Return the blobs of manifests that are the repository's.

        Of what is got elsewhere the store may have what is private in another one: its digest is no right.
        """
        parts = [part for each in found for part in read(each.raw, each.descriptor.media_type).parts]
        blobs = {part.digest: part for part in parts if part.kind != "manifest"}
        here = self._here(blobs)
        for part in blobs.values():
            if part.digest not in here and not part.is_elsewhere:
                raise errors.NotFound(
                    f"{self._repository} lacks the {part.kind} {part.digest}",
                    "pull it through this registry, or push it",
                )
        return [
            Descriptor(media_type="", digest=each, size=blobs[each].size) for each in blobs if each in here
        ]

    def _here(self, digests: Iterable[str]) -> set[str]:
        with self._registry.reader.reading() as connection:
            rows = connection.execute(
                "SELECT digest FROM links WHERE digest IN (SELECT value FROM json_each(?))"
                " AND repository = (SELECT id FROM repositories WHERE name = ?)",
                (json.dumps(list(digests)), self._repository),
            )
            return {digest for (digest,) in rows}

    def _parts(self, root: Fetched, depth: int = 0) -> Iterator[Fetched]:
        """Yield all manifests below one, and then itself."""
        document = root.document
        if isinstance(document, Index) and depth < _MOST_DEPTH:
            for child in document.manifests:
                found = self._find(child.digest)
                if found is None:
                    raise errors.NotFound(
                        f"{self._repository} lacks {child.digest} of the index {root.descriptor.digest}",
                        "pull it through this registry, or push it",
                    )
                yield from self._parts(found, depth + 1)
        yield root

    def _send_speaking(self, digest: str, depth: int) -> int:
        """Send what speaks about a manifest, and about that in turn; return how many there are."""
        count = 0
        for name, fetched in self._speaking(digest):
            if fetched.descriptor.digest not in self._done and depth:
                self._send(fetched, name)
                count += 1 + self._send_speaking(fetched.descriptor.digest, depth - 1)
        return count

    def _speaking(self, digest: str) -> Iterator[tuple[str, Fetched]]:
        """Yield what speaks about a manifest, with the name that it has."""
        with self._registry.reader.reading() as connection:
            rows = connection.execute(
                "SELECT digest FROM manifests m JOIN repositories r ON r.id = m.repository"
                " WHERE r.name = ? AND subject = ?",
                (self._repository, digest),
            ).fetchall()
        for name in (*(each for (each,) in rows), *attached.cosign_tags(digest)):
            if found := self._find(name):
                yield name, found
