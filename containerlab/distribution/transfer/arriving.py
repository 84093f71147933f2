"""A blob on its way into the store: read while it is written, from where an earlier download was cut off."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import cast

from containerlab import errors
from containerlab.distribution.downloads import Download
from containerlab.oci.image import Descriptor
from containerlab.store.blobs import Blobs, Writer
from containerlab.store.compression import Readable

__all__ = ["Told", "arriving", "document"]

Told = Callable[[int, bool], None]
"""Takes how many more bytes were read and whether they were fetched just now; raises to end it."""


@contextmanager
def arriving(
    blobs: Blobs, descriptor: Descriptor, fetch: Callable[[int], Download], told: Told
) -> Iterator[Readable]:
    """Give a stream of a blob that is in the store when the block is left without an error.

    fetch: opens the blob from a byte on. Whatever the block did not read is fetched before its end.

    Raises: DigestMismatch, Unavailable, NotFound.
    """
    if blobs.keep(descriptor):
        with blobs.open(descriptor) as stream:
            yield stream
        return
    with blobs.arriving(descriptor) as writer, fetch(writer.earlier_bytes) as download:
        arrival = _Arrival(writer, download, told)
        yield arrival
        while arrival.read(_CHUNK):
            pass
        writer.commit()


_CHUNK = 256 << 10


class _Arrival:
    def __init__(self, writer: Writer, download: Download, told: Told) -> None:
        self._writer, self._download, self._told = writer, download, told
        self._buffer = bytearray(_CHUNK)

    def read(self, most: int = -1) -> bytes:
        if data := self._writer.earlier(most if most >= 0 else _CHUNK):
            self._told(len(data), False)
            return data
        view = memoryview(self._buffer)[: most if most >= 0 else _CHUNK]
        view = view[: self._download.readinto(view)]
        self._writer.write(view)
        self._told(len(view), True)
        return cast(bytes, view)  # a buffer that is of use until the next read, as `pieces` allows


def document(blobs: Blobs, descriptor: Descriptor, fetch: Callable[[int], Download], most: int) -> bytes:
    """Fetch a blob that is a document, unless it is there, and return it. Raises: CorruptContent."""
    if descriptor.size > most:
        raise errors.CorruptContent(f"document {descriptor.digest} has {descriptor.size} bytes")
    with arriving(blobs, descriptor, fetch, lambda count, is_fetched: None):
        pass
    return blobs.read(descriptor.digest)
