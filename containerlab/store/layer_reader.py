"""Layer blobs are read as the tar streams they are, verified on the way."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from containerlab.oci.image import Descriptor
from containerlab.store.blobs import Blobs
from containerlab.store.compression import decompressed
from containerlab.store.tar_read import Reader

__all__ = ["layer_reader"]


@contextlib.contextmanager
def layer_reader(blobs: Blobs, layer: Descriptor) -> Iterator[Reader]:
    """Give a reader of a layer's entries; it verifies the blob when it is read to its end.

    Raises: NotFound, Unsupported; DigestMismatch and CorruptContent while reading.
    """
    with blobs.open(layer) as blob, decompressed(blob, layer.media_type) as stream:
        yield Reader(stream.read)
