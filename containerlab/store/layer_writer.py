"""Tar streams become layer blobs: hashed, compressed and hashed again while they pass."""

from __future__ import annotations

import contextlib
import sys
import zlib
from collections.abc import Iterator
from typing import NamedTuple, Protocol

from containerlab import errors
from containerlab.oci import digest as digests
from containerlab.oci import image as documents
from containerlab.oci.image import Descriptor
from containerlab.store.blobs import Blobs, Writer

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

__all__ = ["COMPRESSIONS", "Committed", "LayerWriter", "layer_writer"]

COMPRESSIONS = ("gzip", "zstd", "none")
_MEDIA_TYPES = dict(
    zip(
        COMPRESSIONS,
        (documents.OCI_LAYER_GZIP, documents.OCI_LAYER_ZSTD, documents.OCI_LAYER),
        strict=True,
    )
)


class Committed(NamedTuple):
    """A new layer: its blob, and the digest of the tar stream in it."""

    descriptor: Descriptor
    diff_id: str


class LayerWriter:
    """Takes the tar stream of one layer; made by `layer_writer`."""

    def __init__(self, writer: Writer, compression: str) -> None:
        self._writer = writer
        self._media_type = _MEDIA_TYPES[compression]
        self._compressor = _compressor(compression)
        self._hasher = digests.Hasher()

    def write(self, data: bytes) -> None:
        """Add bytes; best in chunks of 64 KiB or more."""
        self._hasher.update(data)
        if compressed := self._compressor.compress(data):
            self._writer.write(compressed)

    def commit(self) -> Committed:
        """End the stream and let the blob be there."""
        self._writer.write(self._compressor.flush())
        return Committed(self._writer.commit(self._media_type), self._hasher.digest())


@contextlib.contextmanager
def layer_writer(blobs: Blobs, compression: str = "gzip") -> Iterator[LayerWriter]:
    """Give a writer for one layer; without a `commit` inside the block nothing remains.

    Raises: InvalidInput for a compression that is not in COMPRESSIONS.
    """
    if compression not in COMPRESSIONS:
        raise errors.InvalidInput(
            f"a layer cannot be compressed with {compression!r}", f"choose one of {', '.join(COMPRESSIONS)}"
        )
    with blobs.writer() as writer:
        yield LayerWriter(writer, compression)


class _Compressor(Protocol):
    def compress(self, data: bytes, /) -> bytes: ...
    def flush(self) -> bytes: ...


class _Stored:
    """Compresses nothing."""

    def compress(self, data: bytes, /) -> bytes:
        return data

    def flush(self) -> bytes:
        return b""


def _compressor(name: str) -> _Compressor:
    if name == "gzip":
        return zlib.compressobj(wbits=31)  # with no name and no time in its header
    return zstd.ZstdCompressor() if name == "zstd" else _Stored()
