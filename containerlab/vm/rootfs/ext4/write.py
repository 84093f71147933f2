"""A planned ext4 file system is written to a file, the contents as they come from the layers."""

from __future__ import annotations

import os

from containerlab.store import tar_write as tar
from containerlab.store.tar_read import Reader
from containerlab.vm.rootfs.ext4 import attributes, records
from containerlab.vm.rootfs.ext4.layout import BLOCKS_IN_GROUP, Layout, Place, Room, plan
from containerlab.vm.rootfs.ext4.records import BLOCK, FIRST_INODE, INODE_BYTES, Inode
from containerlab.vm.rootfs.source import Source
from containerlab.vm.rootfs.tree import MODES, Node, Tree

__all__ = ["write"]

_LABEL = b"conlab"
_MOST_LINKS = 65000


def write(fd: int, source: Source, free_bytes: int) -> None:
    """Write an image's files to an empty file as an ext4 file system with room for the guest.

    Raises: OSError when the disk is full; Unsupported; NotFound, CorruptContent, HostileArchive.
    """
    tree = source.tree
    layout = plan(tree, free_bytes)
    os.ftruncate(fd, layout.room.blocks * BLOCK)
    _write_groups(fd, layout, tree)
    _write_nodes(fd, layout, tree)
    for number, entry, reader in source.contents():
        if entry.kind == tar.FILE:
            _write_content(fd, layout.places[number], reader)


def _write_content(fd: int, place: Place, reader: Reader) -> None:
    """Write the reader's current file; what is not written of a block is zero already."""
    extents = iter(place.extents)
    extent = next(extents, records.Extent(0, 0, 0))
    for offset, piece in reader.data():
        while len(piece):
            while offset >= (extent.logical + extent.length) * BLOCK:
                extent = next(extents)
            room = (extent.logical + extent.length) * BLOCK - offset
            _write_at(fd, piece[:room], (extent.physical - extent.logical) * BLOCK + offset)
            offset += min(room, len(piece))
            piece = piece[room:]


def _write_at(fd: int, data: bytes | bytearray | memoryview, offset: int) -> None:
    written = os.pwrite(fd, data, offset)
    while written < len(data):
        written += os.pwrite(fd, memoryview(data)[written:], offset + written)


def _write_nodes(fd: int, layout: Layout, tree: Tree) -> None:
    """Write inodes, directories, long links, attributes and extents."""
    table = bytearray(_used_inodes(tree) * INODE_BYTES)
    for number, (node, place) in enumerate(zip(tree.nodes, layout.places, strict=True)):
        at = (records.inode_number(number) - 1) * INODE_BYTES
        table[at : at + INODE_BYTES] = records.inode_bytes(_inode(node, place, tree))
        if place.data:
            _write_at(fd, place.data, place.extents[0].physical * BLOCK)
        if place.attribute_block:
            _write_at(fd, attributes.block(node.entry.xattrs), place.attribute_block * BLOCK)
        for block, data in records.extents_in_blocks(place.extents, place.index_blocks):
            _write_at(fd, data, block * BLOCK)
    _write_at(fd, table, layout.room.inode_tables * BLOCK)


def _inode(node: Node, place: Place, tree: Tree) -> Inode:
    entry = node.entry
    body, is_mapped = _body(node, place)
    return Inode(
        mode=MODES[entry.kind] | (0o777 if entry.kind == tar.SYMLINK else entry.mode),
        uid=entry.uid,
        gid=entry.gid,
        size=place.size,
        mtime_ns=entry.mtime_ns,
        link_count=_link_count(node, tree),
        blocks=place.block_count,
        body=body,
        is_mapped=is_mapped,
        attribute_block=place.attribute_block,
        attributes=attributes.behind_inode(entry.xattrs),
    )


def _body(node: Node, place: Place) -> tuple[bytes, bool]:
    """Return the 60 bytes of an inode for its content, and whether they are extents."""
    kind = node.entry.kind
    if kind in (tar.CHARACTER, tar.BLOCK):
        return records.device_body(node.entry.device), False
    if kind == tar.FIFO or (kind == tar.SYMLINK and not place.data):
        return node.entry.link.ljust(60, b"\0") if kind == tar.SYMLINK else bytes(60), False
    return records.extents_in_inode(place.extents, place.index_blocks), True


def _link_count(node: Node, tree: Tree) -> int:
    """Return how many names lead to a node; 1 for a directory that has too many to count."""
    if not node.is_directory:
        return len(node.names)
    below = sum(tree.nodes[number].is_directory for _, number in tree.children[node.names[0]])
    return 2 + below if 2 + below <= _MOST_LINKS else 1


def _used_inodes(tree: Tree) -> int:
    """Return how many inodes from the first on are taken, those that are reserved among them."""
    return FIRST_INODE - 1 + len(tree.nodes) - 1


def _write_groups(fd: int, layout: Layout, tree: Tree) -> None:
    """Write the superblock, bitmaps, and the descriptors of groups with what is free in each."""
    room, used = layout.room, _used_inodes(tree)
    bitmap = _block_bitmap(layout)
    free_blocks = [BLOCKS_IN_GROUP - _bits(bitmap, group) for group in range(room.groups)]
    taken = [_part(used, group, room.inodes_in_group) for group in range(room.groups)]
    directories = _directories(tree, room)
    descriptors = [
        records.descriptor(
            (room.block_bitmaps + group, room.inode_bitmaps + group),
            room.inode_tables + group * room.table_blocks,
            free_blocks[group],
            room.inodes_in_group - taken[group],
            directories[group],
        )
        for group in range(room.groups)
    ]
    inodes = room.groups * room.inodes_in_group
    about = records.Superblock(
        room.blocks, inodes, sum(free_blocks), inodes - used, BLOCKS_IN_GROUP, room.inodes_in_group, _LABEL
    )
    _write_at(fd, records.superblock(about), 1024)
    _write_at(fd, b"".join(descriptors), BLOCK)
    _write_at(fd, bitmap, room.block_bitmaps * BLOCK)
    inode_bitmaps = b"".join(_inode_bitmap(count, room.inodes_in_group) for count in taken)
    _write_at(fd, inode_bitmaps, room.inode_bitmaps * BLOCK)


def _part(used: int, group: int, in_group: int) -> int:
    return min(max(used - group * in_group, 0), in_group)


def _bits(bitmap: bytes | bytearray, group: int) -> int:
    return int.from_bytes(bitmap[group * BLOCK : (group + 1) * BLOCK]).bit_count()


def _block_bitmap(layout: Layout) -> bytearray:
    """Return the bitmaps of all groups, one after the other: the lowest bit of a byte is the first block."""
    bitmap = bytearray(layout.room.groups * BLOCK)
    for first, end in layout.used:
        for block in (*range(first, min(-(-first // 8) * 8, end)), *range(max(end // 8 * 8, first), end)):
            bitmap[block // 8] |= 1 << block % 8
        whole = range(-(-first // 8), end // 8)
        bitmap[whole.start : whole.stop] = b"\xff" * len(whole)
    return bitmap


def _inode_bitmap(taken: int, in_group: int) -> bytes:
    """Return the bitmap of a group's first inodes; what stands for none at all is set, too."""
    bits = (1 << taken) - 1 | (1 << BLOCK * 8) - (1 << in_group)
    return bits.to_bytes(BLOCK, "little")


def _directories(tree: Tree, room: Room) -> list[int]:
    """Return how many directories each group has."""
    counts = [0] * room.groups
    for number, node in enumerate(tree.nodes):
        if node.is_directory:
            counts[(records.inode_number(number) - 1) // room.inodes_in_group] += 1
    return counts
