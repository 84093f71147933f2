"""What a guest finds in memory when its kernel starts: our first process, modules, and maybe the image.

/init                            our first process, from `vm/guest`
/dev/console                     so that it can complain
/lib/conlab/modules/NN-name.ko   modules in the order in which it loads them
/image                           the image's files, if they are not on a disk

Two archives follow each other, which Linux unpacks into the same file system.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator, Sequence

from containerlab.store import tar_copy
from containerlab.store import tar_write as tar
from containerlab.store.tar_read import Reader
from containerlab.vm.guest import layout
from containerlab.vm.rootfs import cpio
from containerlab.vm.rootfs.cpio import Member
from containerlab.vm.rootfs.source import Source
from containerlab.vm.rootfs.tree import MODES, Node

__all__ = ["boot_part", "image_part"]

_IMAGE, _INIT, _MODULES = layout.IMAGE.encode(), layout.INIT.encode(), layout.MODULES.encode()


def boot_part(init: bytes, modules: Sequence[tuple[str, bytes]]) -> bytes:
    """Return the archive of our first process and the modules that it loads: names and contents, in order."""
    pieces = [_directory(name) for name in (b"dev", b"lib", b"lib/conlab", _MODULES)]
    pieces.append(cpio.header(Member(b"dev/console", stat.S_IFCHR | 0o600, device=(5, 1))))
    pieces += _file(_INIT, 0o755, init)
    for at, (name, data) in enumerate(modules):
        pieces += _file(b"%s/%02d-%s.ko" % (_MODULES, at, name.encode()), 0o644, data)
    return b"".join([*pieces, cpio.END])


def _directory(name: bytes) -> bytes:
    return cpio.header(Member(name, stat.S_IFDIR | 0o755))


def _file(name: bytes, mode: int, data: bytes) -> list[bytes]:
    return [cpio.header(Member(name, stat.S_IFREG | mode, size=len(data))), data, cpio.padding(len(data))]


def image_part(source: Source) -> Iterator[bytes]:
    """Give the archive of an image's files, piece by piece; their extended attributes are lost.

    Raises: Unsupported for what such an archive cannot have; NotFound, CorruptContent, HostileArchive.
    """
    tree = source.tree
    for path in sorted(tree.children):
        yield _header(tree.nodes[tree.numbers[path]], tree.numbers[path], path)
    for number, _, reader in source.contents():
        node = tree.nodes[number]
        yield from _first(node, number, reader)
        for name in node.names[1:]:
            yield _link(node, number, name) if node.entry.kind == tar.SYMLINK else _header(node, number, name)
    yield cpio.END


def _first(node: Node, number: int, reader: Reader) -> Iterator[bytes]:
    entry = node.entry
    if entry.kind == tar.SYMLINK:
        yield _link(node, number, node.names[0])
    elif entry.kind == tar.FILE:
        yield _header(node, number, node.names[0], entry.size)
        yield from tar_copy.bytes_of(reader, entry.size)
        yield cpio.padding(entry.size)
    else:
        yield _header(node, number, node.names[0])


def _link(node: Node, number: int, name: bytes) -> bytes:
    target = node.entry.link
    return _header(node, number, name, len(target)) + target + cpio.padding(len(target))


def _header(node: Node, number: int, name: bytes, size: int = 0) -> bytes:
    entry = node.entry
    return cpio.header(
        Member(
            name=_IMAGE + b"/" + name if name else _IMAGE,
            mode=MODES[entry.kind] | (0o777 if entry.kind == tar.SYMLINK else entry.mode),
            number=number + 1,
            uid=entry.uid,
            gid=entry.gid,
            link_count=len(node.names),
            mtime=entry.mtime_ns // 1_000_000_000,
            size=size,
            device=entry.device,
        )
    )
