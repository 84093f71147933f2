"""From the store to a registry: what it has not yet, manifests after what they name, the tag last."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from containerlab import errors
from containerlab.distribution.remote import Fetched, Remote
from containerlab.distribution.transfer import platforms
from containerlab.distribution.transfer.progress import Begun, Note, Watcher, nobody
from containerlab.distribution.transfer.sending import Sending, StoredBlob, parts_of
from containerlab.oci import image as documents
from containerlab.oci.image import Descriptor, Index, Manifest
from containerlab.oci.platform import Platform
from containerlab.oci.reference import Reference, names_one
from containerlab.store import lookup
from containerlab.store.images import Images
from containerlab.store.referrers import attached

__all__ = ["PushOrder", "Pushed", "push", "push_digest", "push_manifest"]

_JOBS = 5


class PushOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for."""

    platforms: platforms.Wanted = platforms.Wanted(is_all=True)
    """Of an index those alone, as an image for one platform if it is one."""
    all_tags: bool = False
    referrers: bool = False
    """Whether what was pulled along with an image, as signatures, goes along with it too."""
    jobs: int = _JOBS
    """How many blobs at once."""
    tls_verify: bool | None = None


class Pushed(msgspec.Struct, frozen=True, kw_only=True):
    """An image that the registry has now."""

    name: str
    digest: str
    size: int
    """Of the manifest or index, as Docker shows it."""
    sent_bytes: int = 0


def push(images: Images, name: str, order: PushOrder, watch: Watcher = nobody) -> list[Pushed]:
    """Send an image, or all that the store has of a repository, to the registry that its name says.

    Raises: NotFound when the store has it not; NotPermitted, Unavailable; DigestMismatch when a blob is
        damaged in the store.
    """
    reference = Reference.parse(name)
    if reference.digest:
        raise errors.InvalidInput(f"{name} names an image by its digest", "push it by a tag")
    if order.all_tags and names_one(name):
        raise errors.InvalidInput(f"{name} names one image where all tags are asked for", "leave the tag out")
    references = _tagged(images, reference) if order.all_tags else [reference]
    with (
        images.blobs.lease(),
        Remote(reference, for_push=True, tls_verify=order.tls_verify) as remote,
    ):
        pushing = _Pushing(images, remote, order, watch)
        return [pushing.send(each) for each in references]


def push_digest(
    images: Images, place: Reference, descriptor: Descriptor, order: PushOrder, watch: Watcher = nobody
) -> Pushed:
    """Send what a descriptor leads to, named in the store or not, to a repository under its digest alone."""
    with (
        images.blobs.lease(),
        Remote(place, for_push=True, tls_verify=order.tls_verify) as remote,
    ):
        return _Pushing(images, remote, order, watch).send_as(place, descriptor, descriptor.digest)


def push_manifest(images: Images, place: Reference, raw: bytes, tls_verify: bool | None = None) -> None:
    """Send a manifest under a tag, with those of its blobs that the registry has not from the store.

    The caller holds a lease.
    """
    document = documents.decode_document(raw)
    descriptor = Descriptor.of(raw, document.media_type)
    fetched = Fetched(descriptor, raw)
    with Remote(place, for_push=True, tls_verify=tls_verify) as remote:
        sending = Sending(remote, _JOBS, nobody, lambda blob: StoredBlob(images.blobs, blob), lambda blob: ())
        sending.blobs(parts_of([fetched]), remote.close)
        sending.manifest(place.tag, fetched)


def _tagged(images: Images, reference: Reference) -> list[Reference]:
    names = map(Reference.parse, images.names())
    place = (reference.registry, reference.repository)
    found = [each for each in names if (each.registry, each.repository) == place and each.tag]
    if not found:
        raise errors.NotFound(f"the store has no image called {reference.registry}/{reference.repository}")
    return found


class _Pushing:
    """Images of one repository on their way; the caller holds a lease."""

    def __init__(self, images: Images, remote: Remote, order: PushOrder, watch: Watcher) -> None:
        self._images, self._remote, self._order, self._watch = images, remote, order, watch
        self._sending = Sending(
            remote, order.jobs, watch, lambda blob: StoredBlob(images.blobs, blob), self._sources
        )

    def send(self, reference: Reference) -> Pushed:
        """Send one image, and let its tag lead to it."""
        with self._images.database.reading() as connection:
            descriptor = lookup.find(connection, reference.full()).image
        return self.send_as(reference, descriptor, reference.tag)

    def send_as(self, reference: Reference, descriptor: Descriptor, name: str) -> Pushed:
        """Send what a descriptor leads to under a tag or its digest."""
        began = self._sending.sent_bytes
        self._watch(Begun("The push refers to repository", self._remote.name, name))
        *children, root = map(self._read, self._chosen(descriptor, reference.familiar()))
        self._sending.blobs(parts_of([*children, root]), self._remote.close)
        for child in children:
            self._sending.manifest(child.descriptor.digest, child)
        self._sending.manifest(name, root)
        if self._order.referrers:
            self._send_referrers(descriptor)
        return Pushed(
            name=reference.familiar(),
            digest=root.descriptor.digest,
            size=root.descriptor.size,
            sent_bytes=self._sending.sent_bytes - began,
        )

    def _send_referrers(self, image: Descriptor) -> None:
        found = [(name, self._read(each)) for name, each in attached(self._images, image.digest)]
        self._sending.blobs(parts_of([fetched for _, fetched in found]), self._remote.close)
        for name, fetched in found:
            self._sending.manifest(name, fetched)

    def _read(self, descriptor: Descriptor) -> Fetched:
        return Fetched(descriptor, self._images.blobs.read(descriptor.digest))

    def _chosen(self, root: Descriptor, name: str) -> list[Descriptor]:
        """Return manifests and indexes, those that others name before them."""
        if not documents.is_index(root.media_type):
            return [root]
        if not self._order.platforms.is_all:
            return [self._only(root, name, platforms.only(self._order.platforms))]
        found = list(self._images.walk(root))
        if not self._is_whole(found):
            self._watch(Note(f"{name} is in part in the store: what is for this platform alone is pushed"))
            return [self._only(root, name, None)]
        unique = {descriptor.digest: descriptor for descriptor, _ in reversed(found)}
        return [*(each for each in unique.values() if each.digest != root.digest), root]

    def _only(self, root: Descriptor, name: str, platform: str | None) -> Descriptor:
        """Return one image of an index; registries want an index only with all that it names."""
        image = self._images.at(root, name, Platform.parse(platform) if platform else None)
        media_type = image.manifest.media_type or documents.OCI_MANIFEST
        return Descriptor(media_type=media_type, digest=image.manifest_digest, size=len(image.manifest_raw))

    def _is_whole(self, found: Sequence[tuple[Descriptor, Manifest | Index]]) -> bool:
        """Tell whether all that an index leads to is in the store."""
        named = [
            part
            for _, document in found
            for part in (
                document.manifests if isinstance(document, Index) else (document.config, *document.layers)
            )
        ]
        return all(self._images.blobs.has(part.digest) for part in named)

    def _sources(self, descriptor: Descriptor) -> list[str]:
        """Return other repositories of the registry that a blob may be in, by the store's names."""
        with self._images.database.reading() as connection:
            names = lookup.names_with(connection, descriptor.digest)
        here = self._remote.reference
        found = [each for each in map(Reference.parse, names) if each.registry == here.registry]
        return list(dict.fromkeys(each.repository for each in found if each.repository != here.repository))
