"""What images take on disk, as blobs: layers that several share are counted once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import msgspec

from containerlab.store.images import Images

__all__ = ["ImageUsage", "measure", "total_bytes"]


class ImageUsage(msgspec.Struct, frozen=True, kw_only=True):
    """The blobs of one image: configuration, manifests and layers of all platforms that are there."""

    digest: str
    """What its names lead to."""
    size_bytes: int
    shared_bytes: int
    """Of that, what other images need too."""

    @property
    def unique_bytes(self) -> int:
        """What removing it would free."""
        return self.size_bytes - self.shared_bytes


def measure(images: Images) -> list[ImageUsage]:
    """Measure every image, in the order of their digests."""
    contents = _contents(images)
    owners = Counter(blob for blobs in contents.values() for blob in blobs)
    sizes = {blob: images.blobs.size(blob) for blob in owners}
    return [
        ImageUsage(
            digest=digest,
            size_bytes=sum(sizes[blob] for blob in blobs),
            shared_bytes=sum(sizes[blob] for blob in blobs if owners[blob] > 1),
        )
        for digest, blobs in sorted(contents.items())
    ]


def total_bytes(images: Images, digests: Iterable[str]) -> int:
    """Return what these images take together."""
    contents = _contents(images)
    return sum(map(images.blobs.size, {blob for digest in digests for blob in contents.get(digest, ())}))


def _contents(images: Images) -> dict[str, set[str]]:
    with images.database.reading() as connection:
        rows = connection.execute("SELECT image, digest FROM contents WHERE kind = 'blob'").fetchall()
    contents: dict[str, set[str]] = {}
    for image, digest in rows:
        contents.setdefault(image, set()).add(digest)
    return contents
