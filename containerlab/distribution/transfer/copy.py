"""From one registry to another, or within one: what the other has not streams through; nothing is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, NamedTuple, cast

import msgspec

from containerlab import errors
from containerlab.distribution.downloads import Download
from containerlab.distribution.remote import ACCEPTED, Fetched, Remote
from containerlab.distribution.transfer import platforms, speaking
from containerlab.distribution.transfer.progress import Begun, Watcher, nobody
from containerlab.distribution.transfer.sending import Sending, parts_of
from containerlab.oci import digest as digests
from containerlab.oci.image import Descriptor
from containerlab.oci.reference import Reference, names_one

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["Copied", "CopyOrder", "copy"]

_JOBS = 5


class CopyOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for."""

    platforms: platforms.Wanted = platforms.Wanted(is_all=True)
    referrers: bool = False
    """Whether signatures and whatever else speaks about the image come along."""
    jobs: int = _JOBS
    source_tls_verify: bool | None = None
    target_tls_verify: bool | None = None


class Copied(msgspec.Struct, frozen=True, kw_only=True):
    """An image, or another artifact, that the other registry has now."""

    name: str
    digest: str
    sent_bytes: int
    referrers: int
    """How many manifests that speak about it came along."""


def copy(source: str, target: str, order: CopyOrder, watch: Watcher = nobody) -> Copied:
    """Copy whatever `source` names; without a tag `target` takes that of the source.

    Raises: NotFound, NotPermitted, Unavailable, CorruptContent.
    """
    there, here = Reference.parse(source), _target(Reference.parse(source), target)
    with (
        Remote(there, tls_verify=order.source_tls_verify) as origin,
        Remote(here, for_push=True, tls_verify=order.target_tls_verify) as remote,
    ):
        return _Copying(origin, remote, order, watch).copy()


def _target(source: Reference, text: str) -> Reference:
    target = Reference.parse(text)
    if names_one(text):
        return target
    return msgspec.structs.replace(target, tag=source.tag, digest=source.digest)


class _Passing(NamedTuple):
    """A blob of one registry as a body for another."""

    origin: Remote
    descriptor: Descriptor

    @property
    def size(self) -> int | None:
        return self.descriptor.size

    def open(self) -> BinaryIO:
        return cast("BinaryIO", _Verified(self.origin.blob(self.descriptor), self.descriptor))


class _Verified:
    """Reads a download; its end is reached only when the digest is right."""

    def __init__(self, download: Download, expected: Descriptor) -> None:
        self._download, self._expected = download, expected
        self._hasher = digests.Hasher.like(expected.digest)

    def __enter__(self) -> _Verified:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def read(self, most: int = -1) -> bytes:
        data = self._download.read(most)
        self._hasher.update(data)
        if not data and most and self._hasher.digest() != self._expected.digest:
            raise errors.DigestMismatch(
                f"blob {self._expected.digest} turned out to be {self._hasher.digest()}"
            )
        return data

    def readinto(self, buffer: Buffer) -> int:
        view = memoryview(buffer)
        data = self.read(len(view))
        view[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._download.close()


class _Copying:
    def __init__(self, origin: Remote, remote: Remote, order: CopyOrder, watch: Watcher) -> None:
        self._origin, self._remote, self._order, self._watch = origin, remote, order, watch
        self._sending = Sending(
            remote, order.jobs, watch, lambda blob: _Passing(origin, blob), lambda blob: self._sources()
        )

    def copy(self) -> Copied:
        source, target = self._origin.reference, self._remote.reference
        wanted = source.digest or source.tag
        self._watch(Begun("Copying from", self._origin.name, wanted))
        fetched = self._origin.manifest(wanted)
        parts = list(platforms.chosen(fetched, self._order.platforms, self._child, source.familiar()))
        if not self._order.platforms.is_all:
            platforms.only(self._order.platforms)
            parts = parts[-1:]
        self._send(parts, target.tag or parts[0].descriptor.digest)
        count = self._send_speaking(parts) if self._order.referrers else 0
        return Copied(
            name=target.familiar(),
            digest=parts[0].descriptor.digest,
            sent_bytes=self._sending.sent_bytes,
            referrers=count,
        )

    def _child(self, descriptor: Descriptor) -> Fetched:
        return self._origin.manifest(descriptor.digest, (descriptor.media_type, *ACCEPTED))

    def _send(self, parts: list[Fetched], name: str) -> None:
        """Send manifests, of which each is named by one before it, and what they name."""
        root, *children = parts
        self._sending.blobs(parts_of(parts), self._stop)
        for child in reversed(children):
            self._sending.manifest(child.descriptor.digest, child)
        self._sending.manifest(name, root)

    def _stop(self) -> None:
        self._origin.close()
        self._remote.close()

    def _sources(self) -> list[str]:
        """Return the repository that blobs come from, if it is in the same registry."""
        there, here = self._origin.reference, self._remote.reference
        return [there.repository] if there.registry == here.registry else []

    def _send_speaking(self, parts: list[Fetched]) -> int:
        """Send what speaks about manifests; return how many there are."""
        found = speaking.about(self._origin, [part.descriptor.digest for part in parts])
        for name, fetched in found.items():
            everything = platforms.Wanted(is_all=True)
            self._send(list(platforms.chosen(fetched, everything, self._child, name)), name)
        return len(found)
