"""What stands in the blocks of a directory: names, one after the other, none across two blocks."""

from __future__ import annotations

from containerlab.store import tar_write as tar
from containerlab.vm.rootfs.ext4.records import BLOCK, FILE_TYPES, dirent, inode_number
from containerlab.vm.rootfs.tree import Tree

__all__ = ["content"]


def content(tree: Tree, path: bytes) -> bytes:
    """Return the content of the directory at a path: whole blocks."""
    own, above = tree.numbers[path], tree.numbers[path.rpartition(b"/")[0]]
    entries = [(b".", inode_number(own), FILE_TYPES[tar.DIRECTORY])]
    entries.append((b"..", inode_number(above), FILE_TYPES[tar.DIRECTORY]))
    for name, number in tree.children[path]:
        entries.append((name, inode_number(number), FILE_TYPES[tree.nodes[number].entry.kind]))
    return _packed(entries)


def _packed(entries: list[tuple[bytes, int, int]]) -> bytes:
    """Join names to blocks; the last name in each takes what is left of it."""
    blocks: list[bytes] = []
    block, last = b"", (b"", 0, 0)
    for entry in entries:
        record = dirent(*entry)
        if len(block) + len(record) > BLOCK:
            blocks.append(_filled(block, last))
            block = b""
        block, last = block + record, entry
    return b"".join([*blocks, _filled(block, last)])


def _filled(block: bytes, last: tuple[bytes, int, int]) -> bytes:
    start = block[: len(block) - len(dirent(*last))]
    return start + dirent(*last, BLOCK - len(start))
