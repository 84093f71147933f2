"""Hostile and odd tar archives, made by hand where Python's tarfile is too polite."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Mapping
from typing import Any

from containerlab.store import tar_write as tar
from containerlab.store.tar_write import Member

__all__ = ["ANSWERED", "HOSTILE", "archive", "block", "entry", "pax", "read_from"]

END = tar.END


def read_from(data: bytes) -> Callable[[int], bytes]:
    """Return what `unpack` reads with; gives a little at a time, as a pipe does."""
    stream = io.BytesIO(data)
    return lambda count: stream.read(min(count, 70_000))


def entry(name: str, kind: bytes = tar.FILE, content: bytes = b"", **fields: Any) -> bytes:
    """Return an entry with its content; fields as of `Member`."""
    if kind == tar.DIRECTORY:
        fields = {"mode": 0o755, **fields}
    member = Member(name.encode("utf-8", "surrogateescape"), kind, size=len(content), **fields)
    return tar.header(member) + content + tar.padding(len(content))


def link(name: str, target: str, kind: bytes = tar.SYMLINK) -> bytes:
    return entry(name, kind, link=target.encode())


def archive(*entries: bytes) -> bytes:
    return b"".join(entries) + END


def pax(records: Mapping[str, bytes | str], kind: str = "x") -> bytes:
    """Return an extended header with these records."""
    data = b""
    for key, value in records.items():
        value = value.encode() if isinstance(value, str) else value
        data += _record(key.encode(), value)
    return raw_pax(data, kind)


def _record(key: bytes, value: bytes) -> bytes:
    length = len(key) + len(value) + 3
    while len(str(length)) + len(key) + len(value) + 3 != length:
        length = len(str(length)) + len(key) + len(value) + 3
    return b"%d %s=%s\n" % (length, key, value)


def raw_pax(data: bytes, kind: str = "x") -> bytes:
    return entry("PaxHeader", kind.encode(), data)


def block(**fields: bytes) -> bytes:
    """Return a header block whose fields are written as they are; the checksum is right."""
    layout = {
        "name": (0, 100), "mode": (100, 8), "uid": (108, 8), "gid": (116, 8), "size": (124, 12),
        "mtime": (136, 12), "kind": (156, 1), "link": (157, 100), "magic": (257, 8), "prefix": (345, 155),
        "sparse": (386, 96), "more": (482, 1), "realsize": (483, 12),
    }  # fmt: skip
    given = {"mode": b"0000644\0", "kind": b"0", "magic": b"ustar\x0000", **fields}
    raw = bytearray(512)
    for name, value in given.items():
        start, length = layout[name]
        raw[start : start + min(length, len(value))] = value[:length]
    raw[148:156] = b" " * 8
    raw[148:156] = b"%06o\0 " % sum(raw)
    return bytes(raw)


def device(name: str, major: int, minor: int, kind: bytes = tar.CHARACTER) -> bytes:
    return entry(name, kind, device=(major, minor))


def by_tarfile(*members: tarfile.TarInfo) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as output:
        for member in members:
            output.addfile(member)
    return stream.getvalue()


_DEEP = "d/" * 60
_CVE_2025_4517 = archive(
    # A chain of long directory names whose resolved path is longer than PATH_MAX, then `..` through it.
    *(entry("/".join(["d" * 247] * (i + 1)) + "/", tar.DIRECTORY) for i in range(3)),
    link("a", "d" * 247),
    link("a/b", "d" * 247),
    link("escape", "a/b/../../../../../../../../../../outside"),
    link("hard", "escape", tar.HARD_LINK),
    entry("hard", content=b"overwritten"),
)

HOSTILE: dict[str, bytes] = {
    "dotdot": archive(entry("../outside", content=b"x")),
    "dotdot in the middle": archive(entry("a/../../outside", content=b"x")),
    "dotdot at the end": archive(entry("a/../..", tar.DIRECTORY)),
    "dotdot after a slash": archive(entry("/../outside", content=b"x")),
    "dotdot directory": archive(entry("../new/", tar.DIRECTORY)),
    "dotdot by PAX": archive(pax({"path": "../outside"}), entry("innocent", content=b"x")),
    "dotdot by GNU long name": archive(entry("L", b"L", b"../outside\0"), entry("innocent", content=b"x")),
    "dotdot by ustar prefix": archive(block(name=b"outside", prefix=b"..", size=b"00000000000\0")),
    "dotdot symlink name": archive(link("../link", "x")),
    "dotdot FIFO": archive(entry("../fifo", tar.FIFO)),
    "dotdot whiteout": archive(entry("../.wh.outside")),
    "whiteout of dotdot": archive(entry("a/.wh...")),
    "whiteout of dot": archive(entry("a/.wh..")),
    "whiteout of nothing": archive(entry("a/.wh.")),
    "whiteout of dotdot at the root": archive(entry(".wh...")),
    "hard link by dotdot": archive(link("l", "../outside", tar.HARD_LINK)),
    "hard link to the host": archive(link("l", "/etc/passwd", tar.HARD_LINK)),
    "hard link through a symlink": archive(link("s", "/etc"), link("l", "s/passwd", tar.HARD_LINK)),
    "hard link to nothing": archive(link("l", "missing", tar.HARD_LINK)),
    "hard link to the root": archive(link("l", "/", tar.HARD_LINK)),
    "hard link to a directory": archive(entry("d/", tar.DIRECTORY), link("l", "d", tar.HARD_LINK)),
    "parent is a file": archive(entry("a", content=b"x"), entry("a/b", content=b"y")),
    "parent is a link to nothing": archive(link("a", "/nowhere"), entry("a/b", content=b"y")),
    "parent is a loop": archive(link("a", "b"), link("b", "a"), entry("a/c", content=b"y")),
    "parent is a FIFO": archive(entry("a", tar.FIFO), entry("a/b", content=b"y")),
    "root is a file": archive(entry("./", content=b"x")),
    "root is a symlink": archive(link("/", "/etc")),
    "zero byte in a name": archive(pax({"path": b"a\0b"}), entry("x")),
    "zero byte in a link": archive(pax({"linkpath": b"a\0b"}), link("x", "y")),
    "zero byte in an attribute's name": archive(pax({"LIBARCHIVE.xattr.user.%00": b"eA"}), entry("x")),
    "long component": archive(pax({"path": "n" * 300}), entry("x")),
    "long path": archive(pax({"path": "n/" * 2100}), entry("x")),
    "empty link": archive(link("x", "")),
    "device 0:0": archive(device("x", 0, 0)),
    "negative size": archive(block(name=b"x", size=b"-0000000001\0")),
    "negative base-256 size": archive(block(name=b"x", size=b"\xff" * 12)),
    "huge base-256 size": archive(block(name=b"x", size=b"\x80" + b"\x7f" * 11)),
    "PAX size beyond all": archive(pax({"size": "9" * 20}), entry("x")),
    "huge PAX size": archive(pax({"size": "9" * 19}), entry("x")),
    "PAX size that is no number": archive(pax({"size": "-1"}), entry("x")),
    "size without data": block(name=b"x", size=b"00000010000\0"),
    "huge PAX header": block(name=b"x", kind=b"x", size=b"77777777777\0"),
    "endless PAX headers": archive(*[pax({"comment": "c" * 60_000})] * 30, entry("x")),
    "PAX length zero": archive(raw_pax(b"0 a=b\n"), entry("x")),
    "PAX length too small": archive(raw_pax(b"3 a=b\n"), entry("x")),
    "PAX length too big": archive(raw_pax(b"99 a=b\n"), entry("x")),
    "PAX length negative": archive(raw_pax(b"-6 a=b\n"), entry("x")),
    "PAX without equals sign": archive(raw_pax(b"6 abc\n"), entry("x")),
    "PAX without newline": archive(raw_pax(b"6 a=bX"), entry("x")),
    "owner that means unchanged": archive(pax({"uid": str(0xFFFFFFFF)}), entry("x")),
    "owner beyond all": archive(block(name=b"x", uid=b"\x80" + b"\x7f" * 7)),
    "owner negative": archive(block(name=b"x", uid=b"\xff" * 8)),
    "time that is no number": archive(pax({"mtime": "nan"}), entry("x")),
    "wrong checksum": b"A" * 512 + END,
    "unknown type": archive(block(name=b"x", kind=b"Z")),
    "multi-volume": archive(block(name=b"x", kind=b"M")),
    "cut off in a header": entry("x", content=b"y" * 1000)[:300],
    "cut off in the data": entry("x", content=b"y" * 1000)[:700],
    "octal that is none": archive(block(name=b"x", size=b"99999999999\0")),
    "sparse pieces overlap": archive(
        pax({"GNU.sparse.map": "0,5,3,5", "GNU.sparse.size": "100"}), entry("x", content=b"0123456789")
    ),
    "sparse beyond its end": archive(
        pax({"GNU.sparse.map": "1000,10", "GNU.sparse.size": "10"}), entry("x", content=b"0123456789")
    ),
    "sparse with more data than there is": archive(
        pax({"GNU.sparse.map": "0,1000000", "GNU.sparse.size": "1000000"}), entry("x", content=b"0123456789")
    ),
    "sparse of impossible size": archive(
        pax({"GNU.sparse.map": "0,10", "GNU.sparse.size": "9" * 19}), entry("x", content=b"0123456789")
    ),
    "sparse with half a piece": archive(
        pax({"GNU.sparse.map": "0,10,20", "GNU.sparse.size": "99"}), entry("x", content=b"0123456789")
    ),
    "sparse map without end": archive(
        pax({"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "9"}),
        entry("x", content=b"99999999\n" + b"1\n" * 1000),
    ),
    "sparse map that is no number": archive(
        pax({"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "9"}),
        entry("x", content=b"x" * 512),
    ),
    "old sparse of impossible size": archive(
        block(name=b"x", kind=b"S", realsize=b"\x80" + b"\x7f" * 11, size=b"0\0")
    ),
    "old sparse cut off": block(name=b"x", kind=b"S", size=b"0\0", more=b"\1", realsize=b"10\0"),
    "old sparse negative": archive(block(name=b"x", kind=b"S", sparse=b"-1\0", realsize=b"10\0")),
}
"""Archives that must be refused."""

ANSWERED: dict[str, bytes] = {
    "absolute name": archive(entry("/outside", content=b"x")),
    "absolute name twice": archive(entry("//outside", content=b"x")),
    "symlink out, then through it": archive(
        link("etc", "/outside-directory"),
        entry("outside-directory/", tar.DIRECTORY),
        entry("etc/x", content=b"x"),
    ),
    "symlink out by dotdot, then through it": archive(
        link("up", "../../../.."), entry("up/written", content=b"x")
    ),
    "symlink to /proc/self/cwd": archive(
        entry("proc/self/cwd/", tar.DIRECTORY),
        link("cwd", "/proc/self/cwd"),
        entry("cwd/written", content=b"x"),
    ),
    "symlink replaced by a file": archive(link("a", "/etc/passwd"), entry("a", content=b"x")),
    "symlink with attributes": archive(
        link("a", "/etc/passwd"), pax({"SCHILY.xattr.user.x": "y"}), link("a", "/etc/passwd")
    ),
    "symlink replaced by a directory": archive(
        link("a", "/etc"), entry("a/", tar.DIRECTORY), entry("a/b", content=b"x")
    ),
    "directory replaced by a symlink": archive(
        entry("a/", tar.DIRECTORY),
        entry("a/b", content=b"x"),
        link("a", "b"),
        entry("b/", tar.DIRECTORY),
        entry("a/c", content=b"x"),
    ),
    "hard link to itself": archive(entry("a", content=b"x"), link("a", "a", tar.HARD_LINK)),
    "hard link to a symlink out": archive(
        link("a", "/outside"), link("b", "a", tar.HARD_LINK), entry("b", content=b"x")
    ),
    "overlay attributes": archive(
        pax({"SCHILY.xattr.trusted.overlay.opaque": "y", "SCHILY.xattr.user.overlay.redirect": "/x"}),
        entry("d/", tar.DIRECTORY),
    ),
    "time before the epoch": archive(pax({"mtime": "-1.5"}), entry("x")),
    "time beyond all": archive(pax({"mtime": "9" * 20}), entry("x")),
    "negative base-256 time": archive(block(name=b"x", mtime=b"\xff" * 12)),
    "CVE-2025-4517": _CVE_2025_4517,
    "deep": archive(entry(_DEEP + "x", content=b"x")),
    "very deep": archive(entry("d/" * 2000 + "x", content=b"x"), entry("d/" * 2000 + "y", content=b"y")),
    "names of bytes": archive(entry("\udcff\udcfe", content=b"x")),
    "only an end": END,
    "nothing": b"",
}
"""Archives that may be unpacked, but only below their root."""
