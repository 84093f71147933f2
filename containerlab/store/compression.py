"""Compressed streams: what the bytes say counts, not what the media type says.

Source: Docker decides in the same way (moby/go-archive, compression.Detect).
"""

from __future__ import annotations

import bz2
import io
import lzma
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, BinaryIO, Protocol

from isal import isal_zlib

from containerlab import errors
from containerlab.oci import image

if TYPE_CHECKING:
    from typing_extensions import Buffer

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

__all__ = ["Readable", "Tee", "begun", "decompressed", "format_of", "opened", "pieces"]

_CHUNK = 256 << 10
_INPUT = 128 << 10
_GzipError: type[Exception] = isal_zlib.error  # type: ignore[assignment]  # its types name an instance


class Readable(Protocol):
    """All that is asked of a stream here."""

    def read(self, size: int = -1, /) -> bytes: ...


class Tee:
    """Shows what is read from a stream to others on the way."""

    def __init__(self, stream: Readable, *sinks: Callable[[bytes], object]) -> None:
        self._stream, self._sinks = stream, sinks

    def read(self, size: int = -1, /) -> bytes:
        data = self._stream.read(size)
        for sink in self._sinks:
            sink(data)
        return data


def decompressed(stream: BinaryIO, media_type: str) -> BinaryIO:
    """Return the tar stream of a layer, whatever it is compressed with.

    Reading it to its end reads `stream` to its end, so that a verifying stream has been verified.

    Raises: Unsupported when `media_type` is not that of a layer (an encrypted one, say); CorruptContent
        while reading, when the compressed data is cut off or wrong.
    """
    _check_is_layer(media_type)
    return opened(stream)


def _check_is_layer(media_type: str) -> None:
    if not image.is_layer(media_type):
        raise errors.Unsupported(f"a layer of type {media_type!r} cannot be unpacked")


def opened(stream: Readable) -> BinaryIO:
    """Decompress gzip, bzip2, xz or zstd; give anything else as it is."""
    start, source = begun(stream)
    for magic, name, member in _FORMATS:
        if start.startswith(magic):
            return io.BufferedReader(_Members(source, name, member), _CHUNK)
    return source


def pieces(stream: Readable, media_type: str) -> Iterator[bytes]:
    """Yield what `decompressed` gives in pieces as they come, without copying them: twice as fast.

    What `stream` reads may be any buffer, which is of use until the next read.
    """
    _check_is_layer(media_type)
    start = _start(stream, 6)
    source = _Continued(start, stream)
    for magic, name, member in _FORMATS:
        if start.startswith(magic):
            yield from _Members(source, name, member).pieces()
            return
    while piece := source.read(_CHUNK):
        yield piece


def begun(stream: Readable) -> tuple[bytes, BinaryIO]:
    """Return the first bytes of a stream, and a stream that still has them."""
    start = _start(stream, 6)
    return start, io.BufferedReader(_Continued(start, stream), _CHUNK)


def format_of(start: bytes) -> str:
    """Return gzip, zstd, bzip2 or xz for the first bytes of compressed data, and nothing for others."""
    return next((name for magic, name, _ in _FORMATS if start.startswith(magic)), "")


def _start(stream: Readable, count: int) -> bytes:
    """Read the first bytes; a pipe may give them one by one."""
    start = b""
    while len(start) < count and (more := stream.read(count - len(start))):
        start += more
    return start


class _Continued(io.RawIOBase):
    """What was read already, and then the rest of the stream."""

    def __init__(self, start: bytes, stream: Readable) -> None:
        self._start, self._stream = start, stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer) -> int:
        view = memoryview(buffer)
        data = self.read(len(view))
        view[: len(data)] = data
        return len(data)

    def read(self, size: int = -1, /) -> bytes:
        data, self._start = self._start or self._stream.read(size), b""
        return data


class _Member(Protocol):
    """What the decompressors of bz2, lzma and zstd have in common."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1, /) -> bytes: ...


class _GzipMember:
    """A gzip member with that interface, by ISA-L: zlib takes two to three times as long."""

    def __init__(self) -> None:
        self._inflate = isal_zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        return self._inflate.eof

    @property
    def needs_input(self) -> bool:
        return not self._inflate.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._inflate.unused_data

    def decompress(self, data: bytes, max_length: int = -1, /) -> bytes:
        tail = self._inflate.unconsumed_tail
        return self._inflate.decompress(tail + data if tail else data, max_length)


class _Members(io.RawIOBase):
    """Reads compressed data of one or more members to its end, with bounded memory."""

    def __init__(self, source: Readable, name: str, make: Callable[[], _Member]) -> None:
        self._source, self._name, self._make = source, name, make
        self._member = make()
        self._input = b""
        self._ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer) -> int:
        view = memoryview(buffer)
        while not self._ended:
            if data := self._decompress(len(view)):
                view[: len(data)] = data
                return len(data)
        return 0

    def pieces(self) -> Iterator[bytes]:
        """Yield all in pieces; twice the input is nearly always room enough for what becomes of it."""
        while not self._ended:
            if data := self._decompress(2 * _CHUNK):
                yield data

    def _decompress(self, limit: int) -> bytes:
        chunk = b""
        if self._member.needs_input:
            chunk, self._input = self._input or self._source.read(_INPUT), b""
            if not chunk:
                raise errors.CorruptContent(f"{self._name} data is cut off")
        try:
            data = self._member.decompress(chunk, limit)
        except (OSError, EOFError, ValueError, _GzipError, lzma.LZMAError, zstd.ZstdError) as error:
            raise errors.CorruptContent(f"{self._name} data is wrong: {error}") from error
        if self._member.eof:
            self._begin(self._member.unused_data)
        return data

    def _begin(self, rest: bytes) -> None:
        """Go on with the next member; what follows the last and is none is ignored, as gzip(1) does."""
        rest = bytes(rest) + _start(self._source, 6 - len(rest))
        magics = tuple(magic for magic, name, _ in _FORMATS if name == self._name)
        if rest.startswith(magics):
            self._member, self._input = self._make(), rest
            return
        self._ended = True
        while self._source.read(_CHUNK):  # so that a verifying stream sees its end
            pass


_FORMATS: tuple[tuple[bytes, str, Callable[[], _Member]], ...] = (
    (b"\x1f\x8b\x08", "gzip", _GzipMember),
    (b"\x28\xb5\x2f\xfd", "zstd", zstd.ZstdDecompressor),
    *((bytes((0x50 + i, 0x2A, 0x4D, 0x18)), "zstd", zstd.ZstdDecompressor) for i in range(16)),  # skippable
    (b"BZh", "bzip2", bz2.BZ2Decompressor),
    (b"\xfd7zXZ\x00", "xz", lzma.LZMADecompressor),
)
