"""Extended attributes as ext4 keeps them: behind an inode if they are few, else in a block of their own.

Source: kernel documentation, "ext4 Data Structures and Algorithms", Extended Attributes; fs/ext4/xattr.c
and acl.h, whose form of an access list is another than that which programs see.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import NamedTuple

from containerlab.errors import CorruptContent, Unsupported
from containerlab.vm.rootfs.ext4.records import BLOCK, ROOM_FOR_ATTRIBUTES

__all__ = ["behind_inode", "block", "needs_block"]

_MAGIC = struct.pack("<I", 0xEA020000)
_HEADER_BYTES = 32
_ENTRY = struct.Struct("<BBHIII")
_PREFIXES = (
    ("system.posix_acl_access", 2),
    ("system.posix_acl_default", 3),
    ("user.", 1),
    ("trusted.", 4),
    ("security.", 6),
    ("system.", 7),
)
_ACLS = ("system.posix_acl_access", "system.posix_acl_default")


class _Attribute(NamedTuple):
    """In the order in which they stand in a block."""

    prefix: int
    length: int
    name: bytes
    value: bytes


def needs_block(xattrs: Mapping[str, bytes]) -> bool:
    """Tell whether attributes are too many to be kept behind an inode.

    Raises: Unsupported when they are too many for a block, too.
    """
    if not xattrs:
        return False
    needed = _size(_attributes(xattrs))
    if needed > BLOCK - _HEADER_BYTES:
        raise Unsupported(
            f"{needed} bytes of extended attributes of a file are too many for the disk of a guest"
        )
    return len(_MAGIC) + needed > ROOM_FOR_ATTRIBUTES


def behind_inode(xattrs: Mapping[str, bytes]) -> bytes:
    """Return what stands behind an inode."""
    if not xattrs or needs_block(xattrs):
        return b""
    return _MAGIC + _packed(_attributes(xattrs), ROOM_FOR_ATTRIBUTES - len(_MAGIC), 0, is_hashed=False)


def block(xattrs: Mapping[str, bytes]) -> bytes:
    """Return the content of a block of attributes, which one inode has."""
    attributes = _attributes(xattrs)
    total = 0
    for each in attributes:
        total = (total << 16 & 0xFFFFFFFF) ^ total >> 16 ^ _hash(each)
    header = _MAGIC + struct.pack("<III", 1, 1, total)
    packed = _packed(attributes, BLOCK - _HEADER_BYTES, _HEADER_BYTES, is_hashed=True)
    return header.ljust(_HEADER_BYTES, b"\0") + packed


def _attributes(xattrs: Mapping[str, bytes]) -> list[_Attribute]:
    """Return what ext4 can name, in its order; other names of the kernel's mean nothing on a disk."""
    found = []
    for name, value in xattrs.items():
        for prefix, index in _PREFIXES:
            if name.startswith(prefix):
                rest = name.removeprefix(prefix).encode(errors="surrogateescape")
                content = _access_list(value) if name in _ACLS else value
                found.append(_Attribute(index, len(rest), rest, content))
                break
    return sorted(found)


def _access_list(value: bytes) -> bytes:
    """Return an access list as it stands on the disk, where only named users and groups have ids."""
    if len(value) % 8 != 4 or value[:4] != b"\2\0\0\0":
        raise CorruptContent("an access list in the image is damaged")
    found = [b"\1\0\0\0"]
    for tag, permission, id_ in struct.iter_unpack("<HHI", value[4:]):
        found.append(struct.pack("<HH", tag, permission))
        if tag in (0x02, 0x08):
            found.append(struct.pack("<I", id_))
    return b"".join(found)


def _size(attributes: list[_Attribute]) -> int:
    """Return what they take with the zeros at the end of the names."""
    return 4 + sum(_ENTRY.size + _padded(each.length) + _padded(len(each.value)) for each in attributes)


def _padded(length: int) -> int:
    return length + -length % 4


def _packed(attributes: list[_Attribute], size: int, base: int, *, is_hashed: bool) -> bytes:
    """Return names from the start, and their values from the end; base: what offsets count from before it."""
    area = bytearray(size)
    at, end = 0, size
    for each in attributes:
        end -= _padded(len(each.value))
        area[end : end + len(each.value)] = each.value
        offset = base + end if each.value else 0
        digest = _hash(each) if is_hashed else 0
        entry = _ENTRY.pack(each.length, each.prefix, offset, 0, len(each.value), digest) + each.name
        area[at : at + len(entry)] = entry
        at += _padded(len(entry))
    return bytes(area)


def _hash(attribute: _Attribute) -> int:
    value = 0
    for byte in attribute.name:
        value = (value << 5 & 0xFFFFFFFF) ^ value >> 27 ^ byte
    padded = attribute.value.ljust(_padded(len(attribute.value)), b"\0")
    for (word,) in struct.iter_unpack("<I", padded):
        value = (value << 16 & 0xFFFFFFFF) ^ value >> 16 ^ word
    return value
