"""Where the files of a guest come from: an image's layers, read as they are in the store."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence

from containerlab import errors
from containerlab.oci.image import Descriptor
from containerlab.oci.platform import Platform
from containerlab.store import flatten
from containerlab.store import tar_write as tar
from containerlab.store.blobs import Blobs
from containerlab.store.flatten import Merged
from containerlab.store.images import Image
from containerlab.store.tar_copy import entry_bytes
from containerlab.store.tar_read import Entry, Reader
from containerlab.vm.classic.ground import beneath
from containerlab.vm.kernel.kernel import Kernel
from containerlab.vm.rootfs.tree import Tree, tree_of

__all__ = ["Grounded", "Source", "check"]


class Source:
    """An image's files, their headers read when they are first asked for."""

    def __init__(self, blobs: Blobs, layers: Sequence[Descriptor]) -> None:
        self.blobs = blobs
        self.layers = layers

    @functools.cached_property
    def merged(self) -> Merged:
        """What the layers show. Raises: NotFound, DigestMismatch, CorruptContent, HostileArchive."""
        return flatten.merge(self.blobs, self.layers)

    @functools.cached_property
    def tree(self) -> Tree:
        return tree_of(self.merged)

    @property
    def content_bytes(self) -> int:
        """What the contents of all files take."""
        return sum(_stored_bytes(node.entry) for node in self.tree.nodes)

    def archive(self) -> Iterator[bytes]:
        """Give all files as a tar stream without its end, with directories that are only part of names."""
        nodes, numbers = self.tree.nodes, self.tree.numbers
        for path in sorted(self.tree.children):
            yield entry_bytes(nodes[numbers[path]].entry._replace(name=path or b"."))
        yield from flatten.flattened(self.blobs, self.layers, self.merged, _unless_directory)

    def contents(self) -> Iterator[tuple[int, Entry, Reader]]:
        """Go through all nodes but directories, as the layers have them, each with its number and content."""
        for names, entry, reader in flatten.contents(self.blobs, self.layers, self.merged):
            yield self.tree.numbers[names[0]], entry, reader


class Grounded(Source):
    """An image's files in a directory of another image."""

    def __init__(self, blobs: Blobs, ground: Sequence[Descriptor], layers: Sequence[Descriptor]) -> None:
        super().__init__(blobs, (*ground, *layers))
        self._split = len(ground)

    @functools.cached_property
    def merged(self) -> Merged:
        """What both show. Raises: NotFound, DigestMismatch, CorruptContent, HostileArchive."""
        ground, above = self.layers[: self._split], self.layers[self._split :]
        return beneath(flatten.merge(self.blobs, ground), flatten.merge(self.blobs, above), self._split)


def _unless_directory(entry: Entry) -> Entry | None:
    return None if entry.kind == tar.DIRECTORY else entry


def _stored_bytes(entry: Entry) -> int:
    if entry.kind != tar.FILE:
        return 0
    return entry.size if entry.pieces is None else sum(size for _, size in entry.pieces)


def check(image: Image, kernel: Kernel) -> None:
    """Make sure that a kernel can run an image.

    Raises: Unsupported for an image without files, or for another processor or system.
    """
    name = image.names[0] if image.names else image.id
    if not image.layers:
        raise errors.Unsupported(f"image {name} has no layers, so a guest would find nothing to run")
    wanted, there = image.config.platform, Platform.parse(f"linux/{kernel.architecture}")
    if (wanted.os, wanted.architecture) != (there.os, there.architecture):
        raise errors.Unsupported(
            f"image {name} is for {wanted}, which the kernel {kernel.release} for {there} cannot run",
            f"pull it with --platform {there}",
        )
