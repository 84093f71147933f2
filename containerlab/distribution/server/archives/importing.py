"""From an uploaded archive into a repository: read with suspicion, then taken in like a push."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import BinaryIO

import msgspec

from containerlab import errors
from containerlab.distribution.api.archives import ArchiveUpload, ImportedImage
from containerlab.distribution.server.content.bounded import Bounded, Bounds
from containerlab.distribution.server.content.intake import Intake
from containerlab.distribution.server.registry import Registry
from containerlab.distribution.server.rights import Identity
from containerlab.oci import image as documents
from containerlab.oci.distribution import is_tag
from containerlab.oci.image import Descriptor, Index
from containerlab.oci.reference import DEFAULT_TAG, Reference
from containerlab.store import archives, removal, sources
from containerlab.store.compression import begun, format_of, opened
from containerlab.store.images import Images
from containerlab.store.index import NAME_ANNOTATION

__all__ = ["take_in"]

_MOST_S = 3600.0
_MOST_BYTES = 1 << 40
_MOST_IMAGES = 1000
_Wanted = tuple[Descriptor, list[str]]
"""A manifest or index, and the tags that are to lead to it."""


def take_in(
    registry: Registry, identity: Identity, upload: ArchiveUpload, file: BinaryIO
) -> tuple[ImportedImage, ...]:
    """Take all images of an archive into a repository as somebody, and return what tags lead to.

    Raises: CorruptContent and others when it is no archive of images, or asks too much; as a push does.
    """
    images = _watched(registry)
    try:
        # The lease is held until repositories have what the archive brought; what they have not goes.
        with removal.leased(images):
            source = sources.Archive(images.blobs, _bounded(file, upload.size), proves=True)
            wanted = _wanted(images, archives.read(images, source), upload)
            intake = Intake(registry, identity, upload.repository, _Archived(images, source, wanted))
            for root, tags in wanted:
                intake.take(root, tags)
    finally:
        images.close()
    return tuple(ImportedImage(tag, root.digest) for root, tags in wanted for tag in tags)


class _Archived:
    """What an archive had: of other blobs that the store has, their digest is no right to them."""

    def __init__(self, images: Images, archive: sources.Archive, wanted: Sequence[_Wanted]) -> None:
        self._blobs = images.blobs
        self._brought = archive.digests() | {root.digest for root, _ in wanted}

    def bring(self, blob: Descriptor, *, is_manifest: bool) -> None:
        """See `intake.Source`."""
        if blob.digest not in self._brought or not self._blobs.keep(blob):
            raise errors.NotFound(f"the archive lacks the blob {blob.digest}", "save the image once more")


def _watched(registry: Registry) -> Images:
    """Return the store for somebody whose time is limited: a layer may be a bomb that burns only that."""
    until = time.monotonic() + _MOST_S

    def check(count: int) -> None:
        if time.monotonic() > until:
            raise errors.CorruptContent(f"to read the archive takes more than {_MOST_S:.0f} s")

    return Images(msgspec.structs.replace(registry.home, moved=check))


def _bounded(file: BinaryIO, size: int) -> BinaryIO:
    """Return the archive inflated, once and no further."""
    bounded = Bounded(opened(file), size, Bounds(inflated_bytes=_MOST_BYTES, time_s=_MOST_S))
    start, stream = begun(bounded)
    if format_of(start):
        raise errors.HostileArchive("the archive is compressed twice", "compress it once")
    return stream


def _wanted(
    images: Images, found: Sequence[tuple[str | None, Descriptor]], upload: ArchiveUpload
) -> list[_Wanted]:
    """Return the tags that are to lead to each image."""
    roots = {root.digest: _present(images, root) for _, root in found}
    if len(roots) > _MOST_IMAGES:
        raise errors.HostileArchive(f"the archive has more than {_MOST_IMAGES} images")
    if upload.tag and len(roots) > 1:
        raise errors.InvalidInput(
            f"the archive has {len(roots)} images, so that one tag is not enough",
            "leave the tag out, and their own are taken",
        )
    tags: dict[str, list[str]] = {}
    for name, root in found:
        tags.setdefault(root.digest, []).append(upload.tag or _tag(name, root))
    _require_different(tags)
    return [(roots[digest], list(dict.fromkeys(names))) for digest, names in tags.items()]


def _tag(name: str | None, root: Descriptor) -> str:
    """Return the tag that an image has in the archive; a single word is one in an OCI layout."""
    word = root.annotations.get(NAME_ANNOTATION, "")
    if is_tag(word):
        return word
    return (Reference.parse(name).tag if name else "") or DEFAULT_TAG


def _require_different(tags: dict[str, list[str]]) -> None:
    owners: dict[str, str] = {}
    for digest, names in tags.items():
        for name in names:
            if owners.setdefault(name, digest) != digest:
                raise errors.InvalidInput(
                    f"two images of the archive have the tag {name}", "save them one by one"
                )


def _present(images: Images, root: Descriptor) -> Descriptor:
    """Return an index itself, or its only image when the others are not in the archive: Docker saves so."""
    document = documents.decode_document(images.blobs.read(root.digest), root.media_type)
    if not isinstance(document, Index) or all(images.blobs.has(each.digest) for each in document.manifests):
        return root
    there = [
        each
        for each in document.manifests
        if images.blobs.has(each.digest) and not documents.is_attestation(each)
    ]
    if len(there) != 1:
        raise errors.CorruptContent(
            f"the archive has {len(there)} of the {len(document.manifests)} images of its index",
            "save all platforms, or one",
        )
    return there[0]
