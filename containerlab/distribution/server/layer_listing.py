"""What is in a layer, for somebody who looks at it: the names of its files, nothing unpacked.

A layer may come from anyone, so that everything is bounded: entries, bytes, time, and how much a byte of it
may become.
"""

from __future__ import annotations

import contextlib
import os
import time
from typing import BinaryIO, NamedTuple

from containerlab import errors
from containerlab.distribution.api.layers import FileKind, Layer, LayerFile, Layers
from containerlab.distribution.server import content
from containerlab.distribution.server.api.binding import serves
from containerlab.distribution.server.registry import Registry
from containerlab.distribution.server.rights import Identity
from containerlab.store import sources, tar_read
from containerlab.store.compression import opened

__all__ = ["BOUNDS", "Bounded", "Bounds", "find", "read"]

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
_INNOCENT_BYTES = 64 << 20
"""Up to here a layer may grow as it likes: a small one of zeros is no bomb."""


class Bounds(NamedTuple):
    """How far somebody else's data is followed."""

    entries: int = 20_000
    inflated_bytes: int = 4 << 30
    ratio: int = 200
    seconds: float = 10.0


BOUNDS = Bounds()


class Bounded:
    """A stream that was inflated from another, and ends with an error when it becomes too much.

    Raises, while it is read: HostileArchive when a byte becomes too many; TimedOut, Unavailable.
    """

    def __init__(self, stream: BinaryIO, stored_bytes: int, bounds: Bounds) -> None:
        self._stream, self._stored_bytes, self._bounds = stream, stored_bytes, bounds
        self._until = time.monotonic() + bounds.seconds
        self.count = 0

    def read(self, size: int = -1, /) -> bytes:
        data = self._stream.read(size)
        self.count += len(data)
        if self.count > max(_INNOCENT_BYTES, self._stored_bytes * self._bounds.ratio):
            raise errors.HostileArchive(
                f"{self._stored_bytes} bytes become more than {self._bounds.ratio} times as many",
                "what is packed like this is a bomb",
            )
        if self.count > self._bounds.inflated_bytes:
            raise errors.Unavailable(f"more than {self._bounds.inflated_bytes} bytes are not looked at")
        if time.monotonic() > self._until:
            raise errors.TimedOut(f"it took more than {self._bounds.seconds:.0f} s")
        return data


@serves(Layers.files)
def find(registry: Registry, identity: Identity, repository: str, digest: str) -> Layer:
    """List a layer of a repository.

    Raises: NotPermitted, NotFound; HostileArchive, CorruptContent when it is no layer; Unavailable when too
        many look.
    """
    blob = content.find(registry, identity, repository, digest)
    if not registry.looks.acquire(timeout=_PATIENCE_S):
        raise errors.Unavailable("others look into layers just now", "try again in a moment")
    with contextlib.ExitStack() as stack:
        stack.callback(registry.looks.release)
        file = stack.enter_context(os.fdopen(content.open_file(registry, blob), "rb"))
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
