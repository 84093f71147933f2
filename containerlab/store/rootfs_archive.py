"""A root file system in a tar archive becomes an image of one layer."""

from __future__ import annotations

import time

from containerlab import errors
from containerlab.oci import digest as digests
from containerlab.oci import image as documents
from containerlab.oci.image import Descriptor, History, ImageConfig
from containerlab.oci.reference import Reference
from containerlab.store import removal, tar_read
from containerlab.store.assemble import Layer, assemble
from containerlab.store.blobs import Blobs
from containerlab.store.compression import Readable, Tee, begun, format_of, opened
from containerlab.store.images import Images
from containerlab.store.sources import entries

__all__ = ["load"]

_KEPT = {
    "": documents.OCI_LAYER,
    "gzip": documents.OCI_LAYER_GZIP,
    "zstd": documents.OCI_LAYER_ZSTD,
}
"""Compression that layers may have; others are undone."""


def load(images: Images, stream: Readable, name: str | None, config: ImageConfig, comment: str) -> Descriptor:
    """Bring in an image with the archive as its layer; every header of it is checked on the way.

    `config` says everything but root file system and history. Returns the descriptor of the manifest.

    Raises: CorruptContent when it is no tar archive or is cut off, InvalidInput when it is empty, and then
        nothing remains.
    """
    if name:
        Reference.parse(name)  # a wrong name must not be found out after all the work
    with removal.leased(images):
        layer, diff_id = _store(images.blobs, stream)
        history = History(created=documents.format_time(time.time()), created_by="import", comment=comment)
        descriptor = assemble(images.blobs, [Layer(layer, diff_id, history)], config)
        images.put(name, descriptor)
        return descriptor


def _store(blobs: Blobs, stream: Readable) -> tuple[Descriptor, str]:
    start, stream = begun(stream)
    media_type = _KEPT.get(format_of(start))
    hasher = digests.Hasher()
    with blobs.writer() as writer:
        if media_type:
            plain = Tee(opened(Tee(stream, writer.write)), hasher.update)
        else:
            plain = Tee(opened(stream), hasher.update, writer.write)
        if sum(1 for _ in entries(tar_read.Reader(plain.read))) == 0:
            raise errors.InvalidInput("the archive of the root file system is empty", "see `tar -t`")
        return writer.commit(media_type or documents.OCI_LAYER), hasher.digest()
