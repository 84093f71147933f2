"""What speaks about an image, as signatures do, and stays in the store as long as the image."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from containerlab.oci import image as documents
from containerlab.oci.image import Descriptor, Index, Manifest
from containerlab.store.images import Images

__all__ = ["attach", "attached"]

_KIND = "referrer "
"""How the kind of such a manifest begins; the name by which registries know it follows."""


def attach(images: Images, root: str, manifests: Mapping[str, Descriptor]) -> None:
    """Keep manifests, whose blobs are in the store, with the image that has the digest `root`.

    manifests: by the tag or digest by which registries know them. The caller holds a lease.
    """
    rows = []
    for name, descriptor in manifests.items():
        rows.append((root, descriptor.digest, f"{_KIND}{name}"))
        rows += [(root, digest, "blob") for digest in (descriptor.digest, *_parts(images, descriptor))]
    with images.database.writing() as connection:
        connection.executemany("INSERT OR IGNORE INTO contents VALUES (?, ?, ?)", rows)


def _parts(images: Images, descriptor: Descriptor) -> Iterable[str]:
    document = documents.decode_document(images.blobs.read(descriptor.digest), descriptor.media_type)
    if isinstance(document, Manifest):
        return [part.digest for part in (document.config, *document.layers)]
    return []


def attached(images: Images, root: str) -> list[tuple[str, Descriptor]]:
    """Return what is kept with an image, by names; indexes come after what they may name."""
    with images.database.reading() as connection:
        rows = connection.execute(
            "SELECT digest, kind FROM contents WHERE image = ? AND kind GLOB ? ORDER BY kind",
            (root, f"{_KIND}*"),
        ).fetchall()
    found = [(kind.removeprefix(_KIND), _describe(images, digest)) for digest, kind in rows]
    return sorted(found, key=lambda each: documents.is_index(each[1].media_type))


def _describe(images: Images, digest: str) -> Descriptor:
    raw = images.blobs.read(digest)
    document = documents.decode_document(raw)
    usual = documents.OCI_INDEX if isinstance(document, Index) else documents.OCI_MANIFEST
    return Descriptor(media_type=document.media_type or usual, digest=digest, size=len(raw))
