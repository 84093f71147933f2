"""Write tar streams: ustar headers, with PAX records where those are too small.

The same tree always gives the same bytes: times are whole seconds, as in Docker's layers, and there are no
names of users. Source: pax(1), "ustar Interchange Format" and "pax Extended Header".
"""

from __future__ import annotations

import stat
import struct
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from containerlab.store.tar_read import BLOCK, CHARACTER, DIRECTORY, FIFO, FILE, HARD_LINK, SYMLINK

__all__ = [
    "BLOCK",
    "CHARACTER",
    "DIRECTORY",
    "END",
    "FIFO",
    "FILE",
    "HARD_LINK",
    "KINDS",
    "SYMLINK",
    "Member",
    "header",
    "padding",
]

KINDS = {
    stat.S_IFREG: FILE,
    stat.S_IFDIR: DIRECTORY,
    stat.S_IFLNK: SYMLINK,
    stat.S_IFIFO: FIFO,
    stat.S_IFCHR: CHARACTER,
    stat.S_IFBLK: BLOCK,
}
"""What of a mode says which kind of member: a socket cannot be in an archive."""
END = bytes(1024)
"""What an archive ends with."""

_BLOCK = 512
_HEADER = struct.Struct("100s8s8s8s12s12s8sc100s8s32s32s8s8s155s12x")
_MOST_ID = 0o7777777
_MOST_SIZE = 0o77777777777
_NO_XATTRS: Mapping[str, bytes] = {}
_NO_DEVICE = (0, 0)
_PLAIN_END = struct.pack("8s32s32s8s8s155s12x", b"ustar\x0000", b"", b"", b"0000000", b"0000000", b"")


class Member(NamedTuple):
    """What a header says; names are bytes, a directory's ends with a slash, `mtime` is in seconds."""

    name: bytes
    kind: bytes
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    size: int = 0
    mtime: int = 0
    link: bytes = b""
    device: tuple[int, int] = (0, 0)
    xattrs: Mapping[str, bytes] = _NO_XATTRS


def header(member: Member) -> bytes:
    """Return the header blocks of a member; its content and `padding` follow."""
    if not member.xattrs and member.device == _NO_DEVICE:
        name, link, size, mtime = member.name, member.link, member.size, member.mtime
        is_short = len(name) <= 100 and len(link) <= 100 and name.isascii() and link.isascii()
        if is_short and 0 <= size <= _MOST_SIZE and 0 <= mtime <= _MOST_SIZE:
            return _plain(member)
    return _full(member)


def _plain(member: Member) -> bytes:
    """Return the header of a member that fits into one block, made of as few pieces as can be."""
    name, kind, mode, uid, gid, size, mtime, link = member[:8]
    if not (0 <= uid <= _MOST_ID and 0 <= gid <= _MOST_ID):
        return _full(member)
    owner, total = _owner(mode, uid, gid, kind)
    numbers = b"%011o\0%011o\0" % (size, mtime)
    total += sum(name) + sum(numbers) + sum(link)
    return b"".join(
        (
            name.ljust(100, b"\0"),
            owner,
            numbers,
            b"%06o\0 " % total,
            kind,
            link.ljust(100, b"\0"),
            _PLAIN_END,
        )
    )


@lru_cache(maxsize=1024)
def _owner(mode: int, uid: int, gid: int, kind: bytes) -> tuple[bytes, int]:
    """Return the fields that many members share, and the sum of all bytes that do not depend on others."""
    fields = b"%07o\0%07o\0%07o\0" % (mode & 0o7777, uid, gid)
    return fields, sum(fields) + sum(kind) + sum(_PLAIN_END) + 8 * ord(" ")


def _full(member: Member) -> bytes:
    prefix, name = _split(member.name)
    records = _records(member, fits=len(name) <= 100)
    main = _block(member, prefix, name)
    if not records:
        return main
    data = b"".join(_record(key, value) for key, value in records)
    extension = Member(b"PaxHeaders.0/" + _last(member.name)[:80], b"x", size=len(data))
    return _block(extension, b"", extension.name) + data + padding(len(data)) + main


def padding(size: int) -> bytes:
    """Return the zeros that fill up the last block of a content."""
    return bytes(-size % _BLOCK)


def _split(name: bytes) -> tuple[bytes, bytes]:
    """Split a name of up to 255 ASCII bytes as ustar does; return ("", name) when that is not possible."""
    if len(name) <= 100 or len(name) > 256 or not name.isascii():
        return b"", name
    at = name.rfind(b"/", 0, min(156, len(name) - 1))
    if at <= 0 or len(name) - at - 1 > 100:
        return b"", name
    return name[:at], name[at + 1 :]


def _last(name: bytes) -> bytes:
    return name.rstrip(b"/").rpartition(b"/")[2]


def _records(member: Member, *, fits: bool) -> list[tuple[bytes, bytes]]:
    records = []
    if not fits or not member.name.isascii():
        records.append((b"path", member.name))
    if len(member.link) > 100 or not member.link.isascii():
        records.append((b"linkpath", member.link))
    for key, value, most in (
        (b"gid", member.gid, _MOST_ID),
        (b"mtime", member.mtime, _MOST_SIZE),
        (b"size", member.size, _MOST_SIZE),
        (b"uid", member.uid, _MOST_ID),
    ):
        if not 0 <= value <= most:
            records.append((key, b"%d" % value))
    for name in sorted(member.xattrs):
        records.append((b"SCHILY.xattr." + name.encode("utf-8", "surrogateescape"), member.xattrs[name]))
    return records


def _record(key: bytes, value: bytes) -> bytes:
    """Return `LENGTH KEY=VALUE\\n`, where LENGTH counts its own digits too."""
    rest = len(key) + len(value) + 3
    length = rest + len(str(rest))
    length = rest + len(str(length))
    return b"%d %s=%s\n" % (length, key, value)


def _block(member: Member, prefix: bytes, name: bytes) -> bytes:
    fields = [
        name[:100],
        b"%07o" % (member.mode & 0o7777),
        _octal(member.uid, _MOST_ID, 7),
        _octal(member.gid, _MOST_ID, 7),
        _octal(member.size, _MOST_SIZE, 11),
        _octal(member.mtime, _MOST_SIZE, 11),
        b"        ",
        member.kind,
        member.link[:100],
        b"ustar\x0000",
        b"",
        b"",
        b"%07o" % member.device[0],
        b"%07o" % member.device[1],
        prefix,
    ]
    fields[6] = b"%06o\0 " % sum(_HEADER.pack(*fields).translate(None, b"\0"))
    return _HEADER.pack(*fields)


def _octal(value: int, most: int, digits: int) -> bytes:
    """Return a number, or 0 when it stands in a PAX record."""
    return b"%0*o" % (digits, value if 0 <= value <= most else 0)
