"""Docker's own archive: manifest.json, configurations, and layers that usually are not compressed.

Source: Docker image-spec 1.3, Combined Image JSON + Filesystem Changeset Format.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from containerlab import errors
from containerlab.oci import digest as digests
from containerlab.oci import image as documents
from containerlab.oci.image import Descriptor, Manifest
from containerlab.oci.reference import Reference
from containerlab.store.compression import format_of, opened
from containerlab.store.images import Image, Images
from containerlab.store.sources import Archive, Source

__all__ = ["MANIFEST", "Item", "encode", "image_id", "items", "load", "names"]

MANIFEST = "manifest.json"
_CHUNK = 1 << 20
_NAMED_BY_DIGEST = re.compile(r"(?:.*/)?([0-9a-f]{64})(?:\.json)?")
_MEDIA_TYPES = {
    "": documents.OCI_LAYER,
    "gzip": documents.OCI_LAYER_GZIP,
    "zstd": documents.OCI_LAYER_ZSTD,
}


class Item(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """One image of an archive; the values are names of members."""

    config: str
    repo_tags: tuple[str, ...] | None = None
    layers: tuple[str, ...] | None = None


def items(source: Source) -> tuple[Item, ...]:
    """Read manifest.json.

    Raises: CorruptContent.
    """
    try:
        return msgspec.json.decode(source.document(MANIFEST), type=tuple[Item, ...])
    except msgspec.DecodeError as error:
        raise errors.CorruptContent(f"manifest.json of the archive is not valid: {error}") from error


def names(item: Item) -> Sequence[str | None]:
    """Return the names of an image, as users write them.

    Raises: InvalidInput.
    """
    return [Reference.parse(tag).familiar() for tag in item.repo_tags or ()]


def image_id(source: Source, item: Item) -> str:
    """Return the digest of an image's configuration.

    Raises: DigestMismatch when its name in the archive says another.
    """
    return digests.of(_config(source, item))


def encode(images: Sequence[tuple[str, Image]]) -> bytes:
    """Write a manifest.json for images whose blobs stand in the archive as in an OCI image layout."""
    by_id: dict[str, list[str]] = {}
    for name, image in images:
        by_id.setdefault(image.id, []).extend([name] if name else [])
    unique = {image.id: image for _, image in images}
    return msgspec.json.encode(
        [
            Item(
                config=f"blobs/{digests.path(image.id)}",
                repo_tags=tuple(by_id[image.id]),
                layers=tuple(f"blobs/{digests.path(layer.digest)}" for layer in image.layers),
            )
            for image in unique.values()
        ]
    )


def load(images: Images, source: Archive) -> list[tuple[str | None, Descriptor]]:
    """Make a manifest for every image of an archive; return what to put, an entry for each name.

    Raises: CorruptContent, InvalidInput.
    """
    found: list[tuple[str | None, Descriptor]] = []
    for item in items(source):
        descriptor = _manifest(images, source, item)
        found += [(name, descriptor) for name in names(item) or [None]]
    if not found:
        raise errors.CorruptContent("the archive has no image", "see its manifest.json")
    return found


def _manifest(images: Images, source: Archive, item: Item) -> Descriptor:
    raw = _config(source, item)
    diff_ids, members = documents.decode_config(raw).rootfs.diff_ids, item.layers or ()
    if len(diff_ids) != len(members):
        raise errors.CorruptContent(
            f"{item.config} of the archive names {len(diff_ids)} layers, manifest.json {len(members)}"
        )
    manifest = Manifest(
        schema_version=2,
        media_type=documents.OCI_MANIFEST,
        config=images.blobs.write(raw, documents.OCI_CONFIG),
        layers=tuple(_layer(images, source, *each) for each in zip(members, diff_ids, strict=True)),
    )
    return images.blobs.write(documents.encode(manifest), documents.OCI_MANIFEST)


def _config(source: Source, item: Item) -> bytes:
    raw = source.document(item.config)
    named = _NAMED_BY_DIGEST.fullmatch(item.config)
    if named and digests.of(raw) != f"sha256:{named[1]}":
        raise errors.DigestMismatch(f"{item.config} in the archive turned out to be {digests.of(raw)}")
    return raw


def _layer(images: Images, source: Archive, member: str, diff_id: str) -> Descriptor:
    """Return the layer as it stands in the archive, when what it unpacks to has the diff id."""
    blob = source.blob(member)
    with images.blobs.open(blob) as stream:
        start = stream.read(8)
    compression = format_of(start)
    if compression not in _MEDIA_TYPES:
        raise errors.Unsupported(f"layer {member} of the archive is compressed with {compression}")
    found = _unpacked_digest(images, blob) if compression else blob.digest
    if found != diff_id:
        raise errors.DigestMismatch(f"layer {member} of the archive is {found} where {diff_id} was announced")
    return msgspec.structs.replace(blob, media_type=_MEDIA_TYPES[compression])


def _unpacked_digest(images: Images, blob: Descriptor) -> str:
    hasher = digests.Hasher()
    with images.blobs.open(blob) as stream:
        plain = opened(stream)
        while chunk := plain.read(_CHUNK):
            hasher.update(chunk)
    return hasher.digest()
