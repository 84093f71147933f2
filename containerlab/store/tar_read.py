"""Read tar streams from anyone: ustar, PAX, GNU, sparse files; every number and length is checked.

Source: pax(1) "ustar Interchange Format" and "pax Extended Header"; GNU tar manual, "Basic Tar Format" and
"Storing Sparse Files". What is not understood is refused, never guessed.
"""

from __future__ import annotations

import binascii
import re
import struct
from collections.abc import Callable, Iterator
from typing import NamedTuple

from containerlab.errors import CorruptContent
from containerlab.store.tar_sparse import Piece, check, old_map, pax_map, read_map_in_data

__all__ = [
    "BLOCK",
    "CHARACTER",
    "DIRECTORY",
    "FIFO",
    "FILE",
    "HARD_LINK",
    "SYMLINK",
    "Entry",
    "Reader",
    "Stream",
    "is_header",
]

FILE, HARD_LINK, SYMLINK, CHARACTER, BLOCK, DIRECTORY, FIFO = b"0", b"1", b"2", b"3", b"4", b"5", b"6"
_WITHOUT_DATA = frozenset((HARD_LINK, SYMLINK, CHARACTER, BLOCK, DIRECTORY, FIFO))
_WITH_DATA = frozenset((FILE, b"\0", b"7"))
_LONG_NAME, _LONG_LINK, _OLD_SPARSE = b"L", b"K", b"S"
_PAX, _PAX_SOLARIS, _PAX_GLOBAL, _VOLUME_LABEL = b"x", b"X", b"g", b"V"

_BLOCK = 512
_ZERO_BLOCK = bytes(_BLOCK)
_HEADER = struct.Struct("100s8s8s8s12s12s8sc100s8s32s32s8s8s155s12x")
_METADATA_BYTES = 1 << 20
"""Most that the headers of one entry may have together; Go's archive/tar allows as much for each."""
_CHUNK = 1 << 20
_MOST_SECONDS = 1 << 34
_MOST = (1 << 63) - 1
_ENTRY_KEYS = ("path", "linkpath", "size", "GNU.sparse.")
"""Without meaning in a global header: no two entries may share them."""


class Entry(NamedTuple):
    """A member of an archive, its names as bytes and as they stand there.

    kind: one of the constants of this module. size: length of the file's content in bytes.
    device: (major, minor). xattrs: extended attributes by name.
    pieces: of a sparse file, where its data belongs; else None.
    """

    name: bytes
    kind: bytes
    mode: int
    uid: int
    gid: int
    size: int
    mtime_ns: int
    link: bytes
    device: tuple[int, int]
    xattrs: dict[str, bytes]
    pieces: tuple[Piece, ...] | None


class Stream:
    """A stream of bytes that is read in big pieces and handed out in small ones."""

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read
        self._buffer = b""
        self._at = 0

    def exactly(self, count: int) -> bytes:
        """Return the next bytes. Raises: CorruptContent when there are fewer."""
        end = self._at + count
        if end <= len(self._buffer):
            data = self._buffer[self._at : end]
            self._at = end
            return data
        return b"".join(self.pieces(count))

    def block(self) -> bytes:
        """Return the next 512 bytes, or nothing at the end of the stream."""
        if self._at == len(self._buffer):
            self._fill()
        return self.exactly(_BLOCK) if self._buffer else b""

    def pieces(self, count: int) -> Iterator[memoryview]:
        """Hand out the next bytes without copying them. Raises: CorruptContent when there are fewer."""
        while count:
            if self._at == len(self._buffer):
                self._fill()
                if not self._buffer:
                    raise CorruptContent("the archive is cut off")
            piece = memoryview(self._buffer)[self._at : self._at + count]
            self._at += len(piece)
            count -= len(piece)
            yield piece

    def drain(self) -> None:
        """Read to the end, so that who fills a pipe is not cut off."""
        while self._buffer:
            self._fill()

    def _fill(self) -> None:
        self._buffer = self._read(_CHUNK)
        self._at = 0


def is_header(block: bytes) -> bool:
    """Tell whether a block of 512 bytes is the header of a member: an archive begins with one."""
    if len(block) != _BLOCK or block == _ZERO_BLOCK:
        return False
    try:
        _check_sum(block, _HEADER.unpack(block)[6])
    except CorruptContent:
        return False
    return True


class Reader:
    """Iterates over the entries of a tar stream; after each, `data` gives its content."""

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._stream = Stream(read)
        self._globals: dict[str, bytes] = {}
        self._left = 0
        self._padding = 0
        self._pieces: tuple[Piece, ...] | None = None

    def __iter__(self) -> Iterator[Entry]:
        while True:
            self._skip()
            entry = self._next()
            if entry is None:
                self._stream.drain()
                return
            yield entry

    def data(self) -> Iterator[tuple[int, memoryview]]:
        """Hand out the content of the current entry as (offset in the file, bytes); holes are left out."""
        for offset, length in self._pieces if self._pieces is not None else ((0, self._left),):
            for piece in self._stream.pieces(length):
                self._left -= len(piece)
                yield offset, piece
                offset += len(piece)

    def _skip(self) -> None:
        for _ in self._stream.pieces(self._left + self._padding):
            pass
        self._left = self._padding = 0

    def _next(self) -> Entry | None:
        """Read headers up to and with the one of the next entry; None at the end of the archive."""
        records: dict[str, bytes] = {}
        room = _METADATA_BYTES
        while True:
            block = self._stream.block()
            if not block or block == _ZERO_BLOCK:
                return None
            fields = _HEADER.unpack(block)
            _check_sum(block, fields[6])
            kind = fields[7]
            if kind in _WITH_DATA or kind in _WITHOUT_DATA or kind == _OLD_SPARSE:
                return self._entry(block, fields, records)
            size = _number(fields[4], "size")
            room -= size
            if room < 0:
                raise CorruptContent(f"the headers of an entry have more than {_METADATA_BYTES} bytes")
            self._extend(kind, self._metadata(size), records)

    def _metadata(self, size: int) -> bytes:
        data = self._stream.exactly(size)
        self._stream.exactly(-size % _BLOCK)
        return data

    def _extend(self, kind: bytes, data: bytes, records: dict[str, bytes]) -> None:
        """Note what a header says about the entry that follows; PAX records win over GNU's."""
        if kind in (_PAX, _PAX_SOLARIS):
            records.update(_pax_records(data))
        elif kind == _PAX_GLOBAL:
            found = _pax_records(data)
            self._globals |= {key: found[key] for key in found if not key.startswith(_ENTRY_KEYS)}
        elif kind == _LONG_NAME:
            records.setdefault("path", data.split(b"\0", 1)[0])
        elif kind == _LONG_LINK:
            records.setdefault("linkpath", data.split(b"\0", 1)[0])
        elif kind != _VOLUME_LABEL:
            raise CorruptContent(f"the archive has an entry of the unknown type {kind!r}")

    def _entry(self, block: bytes, fields: tuple[bytes, ...], records: dict[str, bytes]) -> Entry:
        kind = fields[7]
        entry = _plain(fields)
        if self._globals:
            records = self._globals | records
        stored = entry.size
        if records:
            entry, stored = _with_records(entry, records)
        if kind in _WITHOUT_DATA:
            entry, stored = entry._replace(size=0), 0
        elif kind != FILE:
            entry = entry._replace(kind=FILE)
            if kind == _OLD_SPARSE:
                entry = self._old_sparse(block, entry)
            elif entry.name.endswith(b"/"):  # how the tar of Unix version 7 wrote directories
                entry = entry._replace(kind=DIRECTORY)
        self._left, self._padding, self._pieces = stored, -stored % _BLOCK, None
        if "GNU.sparse.major" in records or "GNU.sparse.map" in records or entry.pieces is not None:
            entry = self._sparse(entry, records)
        return entry

    def _old_sparse(self, block: bytes, entry: Entry) -> Entry:
        pieces, size = old_map(block, lambda: self._stream.exactly(_BLOCK))
        return entry._replace(pieces=pieces, size=size)

    def _sparse(self, entry: Entry, records: dict[str, bytes]) -> Entry:
        pieces = entry.pieces
        if pieces is None:
            pieces = pax_map(records)
        if pieces is None:
            pieces, used = read_map_in_data(lambda: self._stream.exactly(_BLOCK), self._left)
            self._left -= used
        check(pieces, entry.size, self._left)
        self._pieces = pieces
        return entry._replace(pieces=pieces)


def _check_sum(block: bytes, field: bytes) -> None:
    """Compare the sum of a header's bytes, taken with blanks for the sum itself.

    Some old programs took bytes as signed. Leaving out zeros first makes it three times as fast.
    """
    noted = _number(field, "checksum")
    if sum(block.translate(None, b"\0")) - sum(field) + 256 == noted:
        return
    others = block[:148] + b" " * 8 + block[156:]
    if sum(struct.unpack("512b", others)) != noted:
        raise CorruptContent("a header of the archive has a wrong checksum: this is not a tar archive")


def _plain(fields: tuple[bytes, ...]) -> Entry:
    """Return an entry as its own header describes it."""
    name, mode, uid, gid, size, mtime, _, kind, link, magic, _, _, major, minor, prefix = fields
    name = name.split(b"\0", 1)[0]
    if prefix[0] and magic[:6] == b"ustar\0":
        name = prefix.split(b"\0", 1)[0] + b"/" + name
    device = (0, 0)
    if kind in (CHARACTER, BLOCK):
        device = (_number(major, "device"), _number(minor, "device"))
    return Entry(
        name,
        kind,
        _number(mode, "mode") & 0o7777,
        _id(_number(uid, "uid")),
        _id(_number(gid, "gid")),
        _number(size, "size"),
        _clamped(_signed(mtime, "mtime")) * 1_000_000_000,
        link.split(b"\0", 1)[0] if link[0] else b"",
        device,
        {},
        None,
    )


def _number(field: bytes, what: str) -> int:
    value = _signed(field, what)
    if not 0 <= value <= _MOST:
        raise CorruptContent(f"the archive has an impossible {what}: {value}")
    return value


def _signed(field: bytes, what: str) -> int:
    """Read an octal number, or GNU's base-256 form, which has the first bit set."""
    if field[0] & 0x80:
        value = int.from_bytes(field, "big")
        bits = 8 * len(field)
        return value - (1 << bits) if field[0] & 0x40 else value - (1 << bits - 1)
    try:
        return int(field.split(b"\0", 1)[0].strip() or b"0", 8)
    except ValueError:
        raise CorruptContent(f"the archive has a {what} that is no number: {field!r}") from None


def _id(value: int) -> int:
    """Check a user or group id; the largest one means "do not change" to chown(2)."""
    if not 0 <= value < 0xFFFFFFFF:
        raise CorruptContent(f"the archive has an owner beyond all ids: {value}")
    return value


def _clamped(seconds: int) -> int:
    return max(-_MOST_SECONDS, min(seconds, _MOST_SECONDS))


def _pax_records(data: bytes) -> dict[str, bytes]:
    """Parse `LENGTH KEY=VALUE\\n` records; LENGTH counts the whole record.

    GNU's first sparse format repeats a key: those values are gathered under `GNU.sparse.map`.
    """
    records: dict[str, bytes] = {}
    numbers: list[bytes] = []
    at = 0
    while at < len(data) and data[at]:
        match = _RECORD.match(data, at)
        end = at + int(match[1]) if match else 0
        if match is None or end <= match.end() or end > len(data) or data[end - 1 : end] != b"\n":
            raise CorruptContent("the archive has a damaged PAX header")
        key, value = match[2].decode("utf-8", "surrogateescape"), data[match.end() : end - 1]
        if key in ("GNU.sparse.offset", "GNU.sparse.numbytes"):
            numbers.append(value)
        records[key] = value
        at = end
    if numbers:
        records["GNU.sparse.map"] = b",".join(numbers)
    return records


_RECORD = re.compile(rb"([0-9]{1,7}) ([^=\n\0]{1,4096})=")


def _with_records(entry: Entry, records: dict[str, bytes]) -> tuple[Entry, int]:
    """Return an entry as its PAX records correct it, and the length of its stored data."""
    stored = _decimal(records, "size", entry.size)
    size = _decimal(records, "GNU.sparse.realsize", _decimal(records, "GNU.sparse.size", stored))
    uid, gid = _decimal(records, "uid", entry.uid), _decimal(records, "gid", entry.gid)
    corrected = entry._replace(
        name=records.get("GNU.sparse.name") or records.get("path") or entry.name,
        link=records.get("linkpath") or entry.link,
        size=size,
        uid=_id(uid),
        gid=_id(gid),
        mtime_ns=_nanoseconds(records["mtime"]) if records.get("mtime") else entry.mtime_ns,
        xattrs=_xattrs(records),
    )
    return corrected, stored


def _decimal(records: dict[str, bytes], key: str, otherwise: int) -> int:
    text = records.get(key)
    if not text:
        return otherwise
    if not text.isdigit() or len(text) > 19 or int(text) > _MOST:
        raise CorruptContent(f"the archive has an impossible {key}: {text[:40]!r}")
    return int(text)


def _nanoseconds(text: bytes) -> int:
    match = _TIME.fullmatch(text)
    if match is None:
        raise CorruptContent(f"the archive has a time that is no number: {text[:40]!r}")
    sign = -1 if match[1] else 1
    fraction = int((match[3] or b"")[:9].ljust(9, b"0"))
    return sign * (_clamped(int(match[2] or b"0")) * 1_000_000_000 + fraction)


_TIME = re.compile(rb"(-)?([0-9]{0,20})(?:\.([0-9]*))?")


def _xattrs(records: dict[str, bytes]) -> dict[str, bytes]:
    found = {}
    for key, value in records.items():
        if key.startswith("SCHILY.xattr."):
            found[key[13:]] = value
        elif key.startswith("LIBARCHIVE.xattr."):
            name, content = _libarchive(key[17:], value)
            found.setdefault(name, content)
    if any("\0" in name for name in found):
        raise CorruptContent("the archive has an extended attribute with a zero byte in its name")
    return found


def _libarchive(name: str, value: bytes) -> tuple[str, bytes]:
    """Decode libarchive's form: a percent-encoded name and a base64 value without its padding."""
    try:
        content = binascii.a2b_base64(value + b"=" * (-len(value) % 4))
        return re.sub("%([0-9A-Fa-f]{2})", lambda match: chr(int(match[1], 16)), name), content
    except binascii.Error:
        raise CorruptContent(f"the archive has a damaged extended attribute {name!r}") from None
