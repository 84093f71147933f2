"""Where everything of an ext4 file system comes to lie, decided before the first byte is written.

    block 0     superblock
    1…          group descriptors
    …           block bitmaps, inode bitmaps, inode tables of all groups (flex_bg: they may lie anywhere)
    …           directories, long links, attributes, extents
    next MiB…   contents of files, layer by layer
    …           free

So what one layer changes moves nothing of the layers below it. Source: kernel documentation, "ext4 Data
Structures and Algorithms".
"""

from __future__ import annotations

from typing import NamedTuple

from containerlab.errors import Unsupported
from containerlab.store import tar_write as tar
from containerlab.store.tar_read import Entry
from containerlab.vm.rootfs.ext4 import attributes, directories
from containerlab.vm.rootfs.ext4.records import (
    BLOCK,
    EXTENTS_IN_BLOCK,
    EXTENTS_IN_INODE,
    FIRST_INODE,
    INODE_BYTES,
    Extent,
)
from containerlab.vm.rootfs.tree import Node, Tree

__all__ = ["BLOCKS_IN_GROUP", "Layout", "Place", "Room", "plan"]

BLOCKS_IN_GROUP = BLOCK * 8
_INODES_STEP = 512
"""Inodes of a group come in multiples of it, so that a few files more do not move all others."""
_CONTENT_STEP = 256
_BYTES_FOR_INODE = 16384
_DESCRIPTOR_BYTES = 32
_MOST_EXTENT_BLOCKS = 32768
_MOST_EXTENTS = EXTENTS_IN_INODE * EXTENTS_IN_BLOCK
_SHORT_LINK = 60


class Place(NamedTuple):
    """Where a node's content is, and what of it is known beforehand: a directory's, or a long link's.

    index_blocks: with its extents, when they are too many for the inode. attribute_block: 0 for none.
    """

    size: int = 0
    data: bytes = b""
    extents: tuple[Extent, ...] = ()
    index_blocks: tuple[int, ...] = ()
    attribute_block: int = 0

    @property
    def block_count(self) -> int:
        contents = sum(extent.length for extent in self.extents)
        return contents + len(self.index_blocks) + (self.attribute_block > 0)


class Room(NamedTuple):
    """The parts of the disk; but for the first two and what comes from them, numbers of blocks."""

    groups: int
    inodes_in_group: int

    @property
    def block_bitmaps(self) -> int:
        return 1 + _blocks(self.groups * _DESCRIPTOR_BYTES)

    @property
    def inode_bitmaps(self) -> int:
        return self.block_bitmaps + self.groups

    @property
    def inode_tables(self) -> int:
        return self.inode_bitmaps + self.groups

    @property
    def table_blocks(self) -> int:
        return self.inodes_in_group * INODE_BYTES // BLOCK

    @property
    def first_free(self) -> int:
        return self.inode_tables + self.groups * self.table_blocks

    @property
    def blocks(self) -> int:
        return self.groups * BLOCKS_IN_GROUP


class Layout(NamedTuple):
    """The plan of a file system: the place of each node, and what is taken, as (first block, end)."""

    room: Room
    places: list[Place]
    used: tuple[tuple[int, int], ...]


class _Need(NamedTuple):
    """What a node takes. ranges: of its content, (first block in the file, count)."""

    size: int
    data: bytes
    ranges: tuple[tuple[int, int], ...]
    index_blocks: int
    attribute_blocks: int

    @property
    def is_small(self) -> bool:
        return bool(self.data)

    @property
    def content_blocks(self) -> int:
        return sum(count for _, count in self.ranges)


def plan(tree: Tree, free_bytes: int) -> Layout:
    """Decide where everything comes to lie, with at least so many bytes left for the guest.

    Raises: Unsupported for what ext4 has no room for.
    """
    needs = [_need(node, tree) for node in tree.nodes]
    beside = sum(need.index_blocks + need.attribute_blocks for need in needs)
    small = beside + sum(need.content_blocks for need in needs if need.is_small)
    large = sum(need.content_blocks for need in needs if not need.is_small)
    room = _room(len(needs), small + large + _CONTENT_STEP + free_bytes // BLOCK, free_bytes)
    content = _rounded(room.first_free + small, _CONTENT_STEP)
    allocator = _Allocator(room.first_free, content)
    places = [allocator.place(need) for need in needs]
    return Layout(room, places, ((0, room.first_free + small), (content, content + large)))


def _room(nodes: int, blocks: int, free_bytes: int) -> Room:
    """Return how many groups there must be, which their own tables make more."""
    inodes = nodes + FIRST_INODE + free_bytes // _BYTES_FOR_INODE
    groups = -(-inodes // BLOCKS_IN_GROUP)
    while True:
        room = Room(groups, _rounded(-(-inodes // groups), _INODES_STEP))
        if room.first_free + blocks <= room.blocks:
            return room
        groups += 1


def _need(node: Node, tree: Tree) -> _Need:
    entry = node.entry
    attribute_blocks = int(attributes.needs_block(entry.xattrs))
    if node.is_directory:
        data = directories.content(tree, node.names[0])
    elif entry.kind == tar.SYMLINK and len(entry.link) >= _SHORT_LINK:
        data = entry.link
    else:
        ranges = _ranges(entry) if entry.kind == tar.FILE else ()
        size = entry.size if entry.kind == tar.FILE else len(entry.link)
        return _Need(size, b"", ranges, _index_blocks(entry, len(ranges)), attribute_blocks)
    return _Need(len(data), data, ((0, _blocks(len(data))),), 0, attribute_blocks)


def _ranges(entry: Entry) -> tuple[tuple[int, int], ...]:
    """Return the blocks of a file that have content, cut to what an extent may have."""
    whole = ((0, _blocks(entry.size)),)
    found = whole if entry.pieces is None else _merged(entry.pieces)
    cut = _cut(found)
    return cut if len(cut) <= _MOST_EXTENTS else _cut(whole)


def _merged(pieces: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
    """Return the blocks that pieces of a sparse file, in their order, touch."""
    found: list[tuple[int, int]] = []
    for offset, length in pieces:
        first, end = offset // BLOCK, _blocks(offset + length)
        if found and first <= sum(found[-1]):
            start = found.pop()[0]
            found.append((start, end - start))
        elif length:
            found.append((first, end - first))
    return tuple(found)


def _cut(ranges: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
    step = _MOST_EXTENT_BLOCKS
    return tuple(
        (at, min(step, first + count - at))
        for first, count in ranges
        for at in range(first, first + count, step)
    )


def _index_blocks(entry: Entry, extents: int) -> int:
    if extents > _MOST_EXTENTS:
        raise Unsupported(
            f"{entry.name!r} has {entry.size} bytes, which are too many for the disk of a guest"
        )
    return 0 if extents <= EXTENTS_IN_INODE else -(-extents // EXTENTS_IN_BLOCK)


class _Allocator:
    """Gives out blocks, in order: `small` for what describes, `content` for what files have."""

    def __init__(self, small: int, content: int) -> None:
        self._small, self._content = small, content

    def place(self, need: _Need) -> Place:
        attribute = self._take_small(need.attribute_blocks) if need.attribute_blocks else 0
        first = self._take_small(need.index_blocks)
        extents = []
        for logical, count in need.ranges:
            physical = self._take_small(count) if need.is_small else self._take_content(count)
            extents.append(Extent(logical, physical, count))
        index_blocks = tuple(range(first, first + need.index_blocks))
        return Place(need.size, need.data, tuple(extents), index_blocks, attribute)

    def _take_small(self, count: int) -> int:
        self._small += count
        return self._small - count

    def _take_content(self, count: int) -> int:
        self._content += count
        return self._content - count


def _blocks(size: int) -> int:
    return -(-size // BLOCK)


def _rounded(number: int, step: int) -> int:
    return -(-number // step) * step
