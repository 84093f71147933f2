"""What is in a layer, for somebody who looks at it: the names of its files, nothing unpacked.

A layer may come from anyone, so that everything is bounded: entries, bytes, time, and how much a byte of it
may become.
"""

from __future__ import annotations

import contextlib
import os
from typing import BinaryIO

from containerlab import errors
from containerlab.distribution.api.layers import FileKind, Layer, LayerFile, Layers
from containerlab.distribution.server.api.binding import serves
from containerlab.distribution.server.content import blobs
from containerlab.distribution.server.content.bounded import BOUNDS, Bounded, Bounds
from containerlab.distribution.server.registry import Registry
from containerlab.distribution.server.rights import Identity
from containerlab.store import sources, tar_read
from containerlab.store.compression import opened

__all__ = ["find", "read"]

_KINDS: dict[bytes, FileKind] = {
    tar_read.FILE: "file",
    tar_read.HARD_LINK: "link",
    tar_read.SYMLINK: "symlink",
    tar_read.CHARACTER: "device",
    tar_read.BLOCK: "device",
    tar_read.DIRECTORY: "directory",
    tar_read.FIFO: "fifo",
}
_WHITEOUT, _OPAQUE = ".wh.", ".wh..wh..opq"
_PATIENCE_S = 5.0


@serves(Layers.files)
def find(registry: Registry, identity: Identity, repository: str, digest: str) -> Layer:
    """List a layer of a repository.

    Raises: NotPermitted, NotFound; HostileArchive, CorruptContent when it is no layer; Unavailable when too
        many look.
    """
    blob = blobs.find(registry, identity, repository, digest)
    if not registry.looks.acquire(timeout=_PATIENCE_S):
        raise errors.Unavailable("others look into layers just now", "try again in a moment")
    with contextlib.ExitStack() as stack:
        stack.callback(registry.looks.release)
        file = stack.enter_context(os.fdopen(blobs.open_file(registry, blob), "rb"))
        return read(file, blob.size)


def read(stream: BinaryIO, stored_bytes: int, bounds: Bounds = BOUNDS) -> Layer:
    """List a layer, compressed or not, that has `stored_bytes`.

    Raises: HostileArchive, CorruptContent when it is no layer.
    """
    files: list[LayerFile] = []
    reader = tar_read.Reader(Bounded(opened(stream), stored_bytes, bounds).read)
    try:
        for entry in sources.entries(reader):
            if len(files) == bounds.entries:
                return _cut(files, f"only the first {bounds.entries} entries are shown")
            files.append(_file(entry))
    except (errors.TimedOut, errors.Unavailable) as error:
        return _cut(files, f"the rest is not shown: {error.message}")
    return Layer(files=tuple(files), is_complete=True)


def _cut(files: list[LayerFile], note: str) -> Layer:
    return Layer(files=tuple(files), is_complete=False, note=note)


def _file(entry: tar_read.Entry) -> LayerFile:
    path, kind = _text(entry.name).rstrip("/") or "/", _KINDS[entry.kind]
    folder, slash, name = path.rpartition("/")
    if name == _OPAQUE:
        path, kind = folder or "/", "emptied"
    elif name.startswith(_WHITEOUT):
        path, kind = f"{folder}{slash}{name.removeprefix(_WHITEOUT)}", "removed"
    return LayerFile(
        path=path,
        kind=kind,
        size=entry.size,
        mode=entry.mode,
        uid=entry.uid,
        gid=entry.gid,
        mtime=entry.mtime_ns / 1e9,
        link=_text(entry.link),
    )


def _text(name: bytes) -> str:
    return name.decode("utf-8", "replace")
