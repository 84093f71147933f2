"""Entries of tar streams go into another tar stream, changed on the way or not.

The same entries always give the same bytes. What is written has whole seconds, no names of users, and no
holes: see `tar_write`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from containerlab.store import tar_write as tar
from containerlab.store.tar_read import Entry, Reader

__all__ = ["Change", "batched", "bounded", "bytes_of", "content", "copied", "entry_bytes", "rewritten"]

Change = Callable[[Entry], Entry | None]
"""Gives an entry as it is to be written, or None to leave it out."""

_BATCH_BYTES = 256 << 10
_ZEROS = bytes(64 << 10)


def rewritten(reader: Reader, change: Change) -> Iterator[bytes]:
    """Go through one tar stream and give another with every entry changed."""
    for entry in reader:
        if (changed := change(entry)) is not None:
            yield from copied(reader, entry, changed)
    yield tar.END


def copied(reader: Reader, entry: Entry, changed: Entry) -> Iterator[bytes]:
    """Give header and content of the reader's current entry."""
    yield entry_bytes(changed)
    if entry.kind == tar.FILE:
        yield from content(reader, entry.size)


def entry_bytes(entry: Entry) -> bytes:
    """Return the header of an entry."""
    is_directory = entry.kind == tar.DIRECTORY
    return tar.header(
        tar.Member(
            name=entry.name.rstrip(b"/") + b"/" if is_directory else entry.name,
            kind=entry.kind,
            mode=entry.mode,
            uid=entry.uid,
            gid=entry.gid,
            size=entry.size if entry.kind == tar.FILE else 0,
            mtime=entry.mtime_ns // 1_000_000_000,
            link=entry.link if entry.kind in (tar.SYMLINK, tar.HARD_LINK) else b"",
            device=entry.device,
            xattrs=entry.xattrs,
        )
    )


def content(reader: Reader, size: int) -> Iterator[bytes]:
    """Give the bytes of the reader's current file, holes filled, and the padding after them."""
    yield from bytes_of(reader, size)
    yield tar.padding(size)


def bytes_of(reader: Reader, size: int) -> Iterator[bytes]:
    """Give the bytes of the reader's current file, holes filled."""
    at = 0
    for offset, piece in reader.data():
        yield from _zeros(offset - at)
        yield bytes(piece)
        at = offset + len(piece)
    yield from _zeros(size - at)


def _zeros(count: int) -> Iterator[bytes]:
    while count > 0:
        yield _ZEROS[:count]
        count -= len(_ZEROS)


def bounded(newest_s: int | None) -> Change:
    """Return a change after which no time is later than `newest_s`, which SOURCE_DATE_EPOCH gives."""
    if newest_s is None:
        return lambda entry: entry
    most_ns = newest_s * 1_000_000_000
    return lambda entry: entry._replace(mtime_ns=min(entry.mtime_ns, most_ns))


def batched(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Join small pieces to such as are worth a system call; gives none that is empty."""
    buffer = bytearray()
    for piece in pieces:
        buffer += piece
        if len(buffer) >= _BATCH_BYTES:
            yield bytes(buffer)
            buffer.clear()
    if buffer:
        yield bytes(buffer)
