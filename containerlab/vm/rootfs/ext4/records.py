"""The records of ext4 as bytes: superblock, group descriptors, inodes, extents, names.

Source: kernel documentation, "ext4 Data Structures and Algorithms"; fs/ext4/ext4.h. There are no checksums
and no journal: such a disk is made anew from its image at any time.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple

from containerlab.store import tar_write as tar

__all__ = [
    "BLOCK",
    "EXTENTS_IN_BLOCK",
    "EXTENTS_IN_INODE",
    "FILE_TYPES",
    "FIRST_INODE",
    "INODE_BYTES",
    "ROOM_FOR_ATTRIBUTES",
    "Extent",
    "Inode",
    "Superblock",
    "descriptor",
    "device_body",
    "dirent",
    "extents_in_blocks",
    "extents_in_inode",
    "inode_bytes",
    "inode_number",
    "superblock",
]

BLOCK = 4096
INODE_BYTES = 256
EXTENTS_IN_INODE = 4
EXTENTS_IN_BLOCK = (BLOCK - 12) // 12
FIRST_INODE = 11
"""Those before it are reserved."""
_ROOT_INODE = 2
FILE_TYPES = {
    tar.FILE: 1,
    tar.DIRECTORY: 2,
    tar.CHARACTER: 3,
    tar.BLOCK: 4,
    tar.FIFO: 5,
    tar.SYMLINK: 7,
}
"""How a directory says what a name leads to."""


def inode_number(node: int) -> int:
    """Return the inode of a node by its number in the tree; the first is the root."""
    return FIRST_INODE + node - 1 if node else _ROOT_INODE


class Extent(NamedTuple):
    """Blocks that lie together: the first's number in the file, the first's on the disk, and how many."""

    logical: int
    physical: int
    length: int


def dirent(name: bytes, inode: int, file_type: int, length: int = 0) -> bytes:
    """Return a name in a directory, as long as it must be or as `length` says."""
    length = length or 8 + len(name) + -len(name) % 4
    return (struct.pack("<IHBB", inode, length, len(name), file_type) + name).ljust(length, b"\0")


_EXTENT_MAGIC = 0xF30A


def extents_in_inode(extents: Sequence[Extent], index_blocks: Sequence[int]) -> bytes:
    """Return the 60 bytes of an inode that say where its content is."""
    if not index_blocks:
        return _leaf(extents, EXTENTS_IN_INODE).ljust(60, b"\0")
    start = struct.pack("<HHHHI", _EXTENT_MAGIC, len(index_blocks), EXTENTS_IN_INODE, 1, 0)
    indexes = [
        struct.pack("<IIHH", extents[at * EXTENTS_IN_BLOCK].logical, block & 0xFFFFFFFF, block >> 32, 0)
        for at, block in enumerate(index_blocks)
    ]
    return (start + b"".join(indexes)).ljust(60, b"\0")


def extents_in_blocks(extents: Sequence[Extent], index_blocks: Sequence[int]) -> list[tuple[int, bytes]]:
    """Return the content of the blocks that say where a file's content is, by their numbers."""
    return [
        (block, _leaf(extents[at * EXTENTS_IN_BLOCK : (at + 1) * EXTENTS_IN_BLOCK], EXTENTS_IN_BLOCK))
        for at, block in enumerate(index_blocks)
    ]


def _leaf(extents: Sequence[Extent], most: int) -> bytes:
    start = struct.pack("<HHHHI", _EXTENT_MAGIC, len(extents), most, 0, 0)
    return start + b"".join(
        struct.pack("<IHHI", logical, length, physical >> 32, physical & 0xFFFFFFFF)
        for logical, physical, length in extents
    )


class Inode(NamedTuple):
    """A file of any kind.

    mode: with the kind. blocks: of the disk, beside the inode. body: the 60 bytes for its content.
    is_mapped: the body has extents. attributes: what fits behind the rest.
    """

    mode: int
    uid: int
    gid: int
    size: int
    mtime_ns: int
    link_count: int
    blocks: int
    body: bytes
    is_mapped: bool
    attribute_block: int
    attributes: bytes


_INODE = struct.Struct("<HHIIIIIHHIII60sIIIIHHHHHHHHIIIIIII")
_EXTRA_BYTES = 32
ROOM_FOR_ATTRIBUTES = INODE_BYTES - 128 - _EXTRA_BYTES
_EXTENTS_FLAG = 0x80000
_SECTORS_IN_BLOCK = BLOCK // 512
_LOW = 0xFFFFFFFF


def inode_bytes(inode: Inode) -> bytes:
    """Return an inode of 256 bytes."""
    seconds, extra = _times(inode.mtime_ns)
    sectors = inode.blocks * _SECTORS_IN_BLOCK
    fixed = _INODE.pack(
        inode.mode,
        inode.uid & 0xFFFF,
        inode.size & _LOW,
        *(seconds, seconds, seconds, 0),
        inode.gid & 0xFFFF,
        inode.link_count,
        sectors & _LOW,
        _EXTENTS_FLAG if inode.is_mapped else 0,
        0,
        inode.body,
        0,
        inode.attribute_block & _LOW,
        inode.size >> 32,
        0,
        sectors >> 32,
        inode.attribute_block >> 32,
        inode.uid >> 16,
        inode.gid >> 16,
        *(0, 0),
        _EXTRA_BYTES,
        0,
        *(extra, extra, extra, seconds, extra),
        *(0, 0),
    )
    return (fixed + inode.attributes).ljust(INODE_BYTES, b"\0")


def _times(mtime_ns: int) -> tuple[int, int]:
    """Return the low 32 bits of the seconds, and the 32 bits beside them: nanoseconds, and the age."""
    seconds, nanoseconds = divmod(mtime_ns, 1_000_000_000)
    low = seconds & _LOW
    # The upper two bits say in which of four ages the signed lower 32 are.
    age = (seconds - ((low ^ 0x80000000) - 0x80000000)) >> 32 & 3
    return low, nanoseconds << 2 | age


def device_body(device: tuple[int, int]) -> bytes:
    """Return the body of a device's inode: small numbers in the old form, others in the new."""
    major, minor = device
    if major < 256 and minor < 256:
        return struct.pack("<II", major << 8 | minor, 0).ljust(60, b"\0")
    return struct.pack("<II", 0, minor & 0xFF | major << 8 | (minor & ~0xFF) << 12).ljust(60, b"\0")


def descriptor(
    bitmaps: tuple[int, int], table: int, free_blocks: int, free_inodes: int, directories: int
) -> bytes:
    """Return the descriptor of a group; bitmaps: of its blocks and of its inodes."""
    return struct.pack("<IIIHHH14x", *bitmaps, table, free_blocks, free_inodes, directories)


class Superblock(NamedTuple):
    """What differs from one file system to the next."""

    blocks: int
    inodes: int
    free_blocks: int
    free_inodes: int
    blocks_in_group: int
    inodes_in_group: int
    label: bytes


_UUID = bytes.fromhex("c0117a1e51ab4f5e8d3c6b2a90f1e4d7")
_HASH_SEED = bytes.fromhex("5eed5eed5eed4eed8eed5eed5eed5eed")
_MAGIC = 0xEF53
_EXT_ATTR, _DIR_INDEX, _SPARSE_SUPER2 = 0x8, 0x20, 0x200
_FILETYPE, _EXTENTS, _FLEX_BG = 0x2, 0x40, 0x200
_LARGE_FILE, _HUGE_FILE, _DIR_NLINK, _EXTRA_ISIZE = 0x2, 0x8, 0x20, 0x40
_COMPATIBLE = _EXT_ATTR | _DIR_INDEX | _SPARSE_SUPER2
_INCOMPATIBLE = _FILETYPE | _EXTENTS | _FLEX_BG
_READ_ONLY_COMPATIBLE = _LARGE_FILE | _HUGE_FILE | _DIR_NLINK | _EXTRA_ISIZE


def superblock(about: Superblock) -> bytes:
    """Return the superblock, of which there is but one (sparse_super2 without backups)."""
    fields = {
        0x00: about.inodes,
        0x04: about.blocks,
        0x0C: about.free_blocks,
        0x10: about.free_inodes,
        0x18: 2,  # block size: 1024 << 2
        0x1C: 2,
        0x20: about.blocks_in_group,
        0x24: about.blocks_in_group,
        0x28: about.inodes_in_group,
        0x38: _MAGIC | 1 << 16,  # clean
        0x3C: 1,  # errors: go on
        0x4C: 1,  # dynamic revision
        0x54: FIRST_INODE,
        0x58: INODE_BYTES,
        0x5C: _COMPATIBLE,
        0x60: _INCOMPATIBLE,
        0x64: _READ_ONLY_COMPATIBLE,
        0xFC: 1 | 0 << 16,  # half MD4; no default mount options
        0x100: 0xC,  # attributes and access lists
        0x15C: 32 | 32 << 16,
        0x160: 1,  # signed directory hash
        0x174: 4,  # 16 groups in a flexible one
    }
    block = bytearray(1024)
    for offset, value in fields.items():
        struct.pack_into("<I", block, offset, value)
    block[0x36:0x38] = b"\xff\xff"  # never checked for its number of mounts
    block[0x68:0x78], block[0xEC:0xFC] = _UUID, _HASH_SEED
    block[0x78:0x88] = about.label[:16].ljust(16, b"\0")
    return bytes(block)
