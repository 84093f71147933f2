"""What is in a layer, for somebody who looks at it."""

from __future__ import annotations

from typing import Literal

import msgspec

from containerlab.distribution.api.operation import Noun, operation
from containerlab.distribution.api.values import Digest, RepositoryName

__all__ = ["FileKind", "Layer", "LayerFile", "Layers"]


FileKind = Literal["file", "directory", "symlink", "link", "device", "fifo", "removed", "emptied"]
"""removed or emptied: what a layer takes away from those below it."""


class LayerFile(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of a layer."""

    path: str
    kind: FileKind
    """removed or emptied: what it takes away from the layers below."""
    size: int = 0
    """In bytes."""
    mode: int
    uid: int
    gid: int
    mtime: float
    """Seconds since 1970."""
    link: str = ""
    """Where a link leads, as it stands there."""


class Layer(msgspec.Struct, frozen=True, kw_only=True):
    """What is in a layer."""

    files: tuple[LayerFile, ...]
    """In the order of the layer."""
    is_complete: bool
    note: str = ""
    """Why it is not complete."""


class Layers(Noun):
    """What is in layers."""

    @operation("GET /repositories/{repository}/layers/{digest}", who="read")
    def files(self, repository: RepositoryName, digest: Digest) -> Layer:
        """List the files of a layer, within bounds of number, size and time."""
