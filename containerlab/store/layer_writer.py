"""Tar streams become layer blobs: hashed, compressed and hashed again while they pass.

What is written is cut into blocks of one size before it is compressed, since a compressor's output may depend
on how its input is cut: equal streams give equal blobs, however they come. With gzip that holds among all
x86-64 machines, and among all arm64 ones: ISA-L's match finder hashes by instructions that differ between
the two (docs/dependencies.md).
"""

from __future__ import annotations

import contextlib
import sys
import zlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple, Protocol

from containerlab import errors
from containerlab.oci import digest as digests
from containerlab.oci import image as documents
from containerlab.oci.image import Descriptor
from containerlab.store.blobs import Blobs, Writer

if TYPE_CHECKING:
    from containerlab.store.side_thread import SideThread

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

__all__ = ["COMPRESSIONS", "Committed", "LayerWriter", "Watch", "compression_of", "layer_writer"]

COMPRESSIONS = ("gzip", "zstd", "none")
_MEDIA_TYPES = dict(
    zip(
        COMPRESSIONS,
        (documents.OCI_LAYER_GZIP, documents.OCI_LAYER_ZSTD, documents.OCI_LAYER),
        strict=True,
    )
)
_LEVELS = {"gzip": range(10), "zstd": range(1, 23), "none": range(1)}

_BLOCK_BYTES = 1 << 20
_EMPTY = bytes(1024)
_EMPTY_GZIP = bytes.fromhex("1f8b08000000000000ff621805a360148c5800080000ffff2eafb5ef00040000")
"""An archive of nothing as every builder compresses it, so that registries have it already:
sha256:4f4fb700ef54461cfa02571ae0db9a0dc1e0cdb5577484a6d75e68dc38e8acc1. Source: moby, layer/empty.go."""

Watch = Callable[[bytes], object]


class Committed(NamedTuple):
    """A new layer: its blob, and the digest of the tar stream in it."""

    descriptor: Descriptor
    diff_id: str


def compression_of(layer: Descriptor) -> str:
    """Return how a layer is compressed: one of COMPRESSIONS."""
    suffix = documents.as_oci_layer(layer).media_type.rpartition("+")[2]
    return suffix if suffix in COMPRESSIONS else "none"


class LayerWriter:
    """Takes the tar stream of one layer; made by `layer_writer`.

    From the second block on, two threads hash and compress while the maker of the stream goes on.
    """

    def __init__(
        self, writer: Writer, compression: str, watch: Watch | None = None, level: int | None = None
    ) -> None:
        self._writer = writer
        self._watch = watch
        self._compression = compression
        self._compressor = _compressor(compression, level)
        self._hasher = digests.Hasher()
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        self._threads: list[SideThread] = []

    def write(self, data: bytes) -> None:
        """Add bytes."""
        self._pending.append(data)
        self._pending_bytes += len(data)
        if self._pending_bytes >= _BLOCK_BYTES:
            self._pass_on_blocks()

    def _pass_on_blocks(self) -> None:
        if not self._threads:
            from containerlab.store.side_thread import SideThread  # small layers do without threads

            uses = (self._hasher.update, self._compress, *([self._watch] if self._watch else []))
            self._threads += map(SideThread, uses)
        whole = memoryview(self._pending[0] if len(self._pending) == 1 else b"".join(self._pending))
        end = len(whole) - len(whole) % _BLOCK_BYTES
        for start in range(0, end, _BLOCK_BYTES):
            block = bytes(whole[start : start + _BLOCK_BYTES])
            for thread in self._threads:
                thread.put(block)
        self._pending = [bytes(whole[end:])]
        self._pending_bytes = len(whole) - end

    def _compress(self, block: bytes) -> None:
        if compressed := self._compressor.compress(block):
            self._writer.write(compressed)

    def commit(self) -> Committed:
        """End the stream and let the blob be there."""
        for thread in self._threads:
            thread.finish()
        rest = b"".join(self._pending)
        self._hasher.update(rest)
        if self._watch:
            self._watch(rest)
        if rest == _EMPTY and self._hasher.size == len(_EMPTY) and self._compression == "gzip":
            self._writer.write(_EMPTY_GZIP)
        else:
            self._compress(rest)
            self._writer.write(self._compressor.flush())
        return Committed(self._writer.commit(_MEDIA_TYPES[self._compression]), self._hasher.digest())

    def close(self) -> None:
        """End the threads of a layer that was not committed."""
        for thread in self._threads:
            thread.abandon()


@contextlib.contextmanager
def layer_writer(
    blobs: Blobs, compression: str = "gzip", watch: Watch | None = None, level: int | None = None
) -> Iterator[LayerWriter]:
    """Give a writer for one layer; without a `commit` inside the block nothing remains.

    watch: is shown the tar stream, in order, by one thread after the other.

    level: how hard to compress, as zlib (0 to 9) and zstd (1 to 22) count it; None for the usual.

    Raises: InvalidInput for a compression that is not in COMPRESSIONS, or a level that it has not.
    """
    if compression not in COMPRESSIONS:
        raise errors.InvalidInput(
            f"a layer cannot be compressed with {compression!r}", f"choose one of {', '.join(COMPRESSIONS)}"
        )
    if level is not None and level not in _LEVELS[compression]:
        most = _LEVELS[compression][-1]
        raise errors.InvalidInput(f"{compression} has no level {level}", f"choose one up to {most}")
    with (
        blobs.writer() as writer,
        contextlib.closing(LayerWriter(writer, compression, watch, level)) as layer,
    ):
        yield layer


class _Compressor(Protocol):
    def compress(self, data: bytes, /) -> bytes: ...
    def flush(self) -> bytes: ...


class _Stored:
    """Compresses nothing."""

    def compress(self, data: bytes, /) -> bytes:
        return data

    def flush(self) -> bytes:
        return b""


def _compressor(name: str, level: int | None) -> _Compressor:
    if name == "gzip" and level is not None:
        return zlib.compressobj(level, wbits=31)
    if name == "gzip":
        from isal import isal_zlib

        return isal_zlib.compressobj(_GZIP_LEVEL, wbits=31)  # with no name and no time in its header
    return zstd.ZstdCompressor(level) if name == "zstd" else _Stored()


_GZIP_LEVEL = 2
"""Of 0 to 3: the third level chooses by the processor's vector instructions what it finds."""
