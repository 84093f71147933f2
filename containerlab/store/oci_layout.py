"""OCI image layouts: read one from a directory or an archive, write one.

Source: OCI image-spec 1.1, image-layout.md; Docker's archives since version 25 are layouts too.
"""

from __future__ import annotations

import json

from containerlab import errors
from containerlab.oci import digest as digests
from containerlab.oci import image as documents
from containerlab.oci.image import Descriptor, Index
from containerlab.oci.reference import Reference
from containerlab.store.images import Images
from containerlab.store.index import NAME_ANNOTATION
from containerlab.store.sources import Source

__all__ = ["CONTAINERD_NAME", "LAYOUT", "load"]

LAYOUT = "oci-layout"
INDEX = "index.json"
CONTAINERD_NAME = "io.containerd.image.name"
_MAX_DEPTH = 3


def load(images: Images, source: Source) -> list[tuple[str | None, Descriptor]]:
    """Copy the blobs of every image of a layout; return what to put, an entry for each name.

    Raises: CorruptContent.
    """
    _check_version(source.document(LAYOUT))
    index = documents.decode_document(source.document(INDEX), documents.OCI_INDEX)
    assert isinstance(index, Index)
    found = [each for each in index.manifests if _is_image(each)]
    if not found:
        raise errors.CorruptContent("the layout has no image", "see its index.json")
    for descriptor in found:
        _copy(images, source, descriptor)
    return [(_name(descriptor), descriptor) for descriptor in found]


def _is_image(descriptor: Descriptor) -> bool:
    return documents.is_manifest(descriptor.media_type) or documents.is_index(descriptor.media_type)


def _check_version(raw: bytes) -> None:
    try:
        version = json.loads(raw)["imageLayoutVersion"]
    except (ValueError, TypeError, KeyError) as error:
        raise errors.CorruptContent("the file oci-layout does not say its version") from error
    if not str(version).startswith("1."):
        raise errors.Unsupported(f"an OCI image layout of version {version} cannot be read, only 1.x")


def _name(descriptor: Descriptor) -> str | None:
    """Return the name; a single word is a name for podman and a tag for the specification."""
    name = descriptor.annotations.get(CONTAINERD_NAME) or descriptor.annotations.get(NAME_ANNOTATION)
    return Reference.parse(name).familiar() if name and name != "latest" else None


def _copy(images: Images, source: Source, descriptor: Descriptor, depth: int = 0) -> None:
    """Copy a manifest and its blobs, or of an index those manifests that the source has."""
    if descriptor.size > documents.MAX_DOCUMENT_BYTES:
        raise errors.CorruptContent(f"manifest {descriptor.digest} has {descriptor.size} bytes")
    source.fetch(descriptor)
    document = documents.decode_document(images.blobs.read(descriptor.digest), descriptor.media_type)
    if not isinstance(document, Index):
        for blob in (document.config, *document.layers):
            source.fetch(blob)
        return
    if depth == _MAX_DEPTH:
        raise errors.CorruptContent(f"index {descriptor.digest} is nested too deeply")
    for child in document.manifests:
        if source.has(f"blobs/{digests.path(child.digest)}"):
            _copy(images, source, child, depth + 1)
