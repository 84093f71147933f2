"""An image of programs of this host with their libraries: made in a second, nothing downloaded."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Sequence
from typing import NamedTuple

from containerlab import errors
from containerlab.linux import elf
from containerlab.oci.image import Config
from containerlab.store import tar_write as tar
from containerlab.store.blobs import Blobs
from containerlab.store.host_programs import PATH, add_programs, add_skeleton
from containerlab.store.host_python import add_python
from containerlab.store.host_tree import Node, Tree
from containerlab.store.layer_writer import Committed, LayerWriter, layer_writer
from containerlab.store.tar_write import Member

__all__ = ["HostImage", "from_host"]

_CHUNK = 1 << 20


class HostImage(NamedTuple):
    """What an image is assembled from: layers, lowest first, a sentence on each, the configuration."""

    layers: tuple[Committed, ...]
    history: tuple[str, ...]
    config: Config


def from_host(
    blobs: Blobs,
    programs: Sequence[str] | None = None,
    *,
    python: bool | None = None,
    minimal: bool = False,
    compression: str = "zstd",
) -> HostImage:
    """Store the layers of an image of this host's programs; files belong to root.

    programs: names or paths; by default a shell, coreutils and what people type next. python: the running
    Python too, by default when no programs are named. minimal: busybox alone, and what is named.
    The same host gives the same bytes; SOURCE_DATE_EPOCH limits modification times.
    The caller holds a lease of the blob store.

    Raises: NotFound for a program or a library that is not there.
    """
    tree = Tree()
    add_skeleton(tree)
    if minimal:
        _add_busybox(tree)
    if programs or not minimal:
        add_programs(tree, programs)
    layers = [_store(blobs, tree, (), compression)]
    history = [f"conlab image from-host {' '.join(programs or ())}".strip()]
    if python or (python is None and not programs and not minimal):
        below = frozenset(tree.nodes)
        add_python(tree)
        layers.append(_store(blobs, tree, below, compression))
        history.append("conlab image from-host: Python")
    shell = "bin/sh" if _has(tree, "bin/sh") else ""
    return HostImage(tuple(layers), tuple(history), _config(shell))


def _config(shell: str) -> Config:
    return Config(env=(f"PATH={PATH}", "LANG=C.UTF-8"), cmd=(f"/{shell}",) if shell else (), working_dir="/")


def _has(tree: Tree, path: str) -> bool:
    return path in tree.nodes or f"usr/{path}" in tree.nodes


def _add_busybox(tree: Tree) -> None:
    """Add busybox under all its names."""
    import subprocess

    busybox = shutil.which("busybox", path=PATH)
    if busybox is None:
        raise errors.NotFound("busybox is not on this host", "install the package busybox-static")
    tree.copy(os.path.realpath(busybox), "usr/bin/busybox")
    tree.copy_libraries([busybox])
    names = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout.split()
    for name in names:
        tree.add(f"bin/{name}", Node(0o777, link="/usr/bin/busybox"))


def _store(blobs: Blobs, tree: Tree, below: Collection[str], compression: str) -> Committed:
    """Write the nodes that no layer below has."""
    with layer_writer(blobs, compression) as layer:
        for path in sorted(tree.nodes.keys() - set(below), key=lambda path: path.split("/")):
            _write(layer, path, tree.nodes[path])
        layer.write(tar.END)
        return layer.commit()


def _write(layer: LayerWriter, path: str, node: Node) -> None:
    name, mtime = os.fsencode(path), _time(node.mtime)
    content = _library(node.source) if node.is_library else node.content
    if content is not None:
        member = Member(name, tar.FILE, node.mode, size=len(content), mtime=mtime)
        layer.write(tar.header(member) + content + tar.padding(len(content)))
    elif node.source:
        _write_file(layer, Member(name, tar.FILE, node.mode, mtime=mtime), node.source)
    elif node.link:
        layer.write(
            tar.header(Member(name, tar.SYMLINK, node.mode, mtime=mtime, link=os.fsencode(node.link)))
        )
    else:
        layer.write(tar.header(Member(name + b"/", tar.DIRECTORY, node.mode, mtime=mtime)))


def _library(source: str) -> bytes:
    with open(source, "rb") as file:
        raw = file.read()
    try:
        return elf.without_sections(raw)
    except elf.NotElf:  # a linker script, say
        return raw


def _write_file(layer: LayerWriter, member: Member, source: str) -> None:
    with open(source, "rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        data = tar.header(member._replace(size=size))
        left = size
        while left:
            chunk = file.read(min(left, _CHUNK)) or bytes(min(left, _CHUNK))  # it shrank meanwhile
            left -= len(chunk)
            data += chunk
            if left:
                layer.write(data)
                data = b""
        layer.write(data + tar.padding(size))


def _time(seconds: int) -> int:
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    return min(seconds, int(epoch)) if epoch.isdigit() else seconds
