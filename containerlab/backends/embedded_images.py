"""The image verbs of the embedded engine: the store's answers in the backend's words."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from containerlab.backends.base import HistoryEntry, ImageInfo, Pruned
from containerlab.oci import changes
from containerlab.oci.image import Config, Descriptor, ImageConfig, RootFS, format_time, parse_time
from containerlab.oci.platform import Platform
from containerlab.store import removal
from containerlab.store.home import Home
from containerlab.store.images import Image, Images
from containerlab.store.usage import ImageUsage, measure

__all__ = ["EmbeddedImages"]


class EmbeddedImages:
    """Does what `Backend` and `ImageMaker` ask of images.

    `in_use` gives the names of the containers that were made from an image id.
    """

    def __init__(self, home: Home, in_use: Callable[[str], list[str]] = lambda image_id: []) -> None:
        self.store = Images(home)
        self._in_use = in_use

    # looking

    def images(self) -> list[ImageInfo]:
        """Return all images, those without a name too."""
        return [_info(image) for image in self.store.list()]

    def image(self, name: str, platform: str | None = None) -> ImageInfo:
        """Find an image by name, digest or id."""
        return _info(self.store.get(name, platform))

    def history(self, name: str) -> list[HistoryEntry]:
        """Return how an image was made, newest first."""
        image = self.store.get(name)
        layers = iter(zip(image.layers, image.diff_ids, strict=True))
        lines = list(_history(image, layers))
        # Tools that write no history, or too little of it, still made the layers.
        lines += [_line(layer.size, diff_id) for layer, diff_id in layers]
        return lines[::-1]

    def disk_usage(self) -> list[ImageUsage]:
        """Return what each image takes on disk, and what of it others need too."""
        return measure(self.store)

    # in and out

    def load(self, source: BinaryIO) -> list[str]:
        """Read an archive of images, whatever its format; return their names."""
        from containerlab.store import archives

        return archives.load(self.store, source)

    def load_directory(self, path: str) -> list[str]:
        """Read an OCI image layout directory; return the names of its images."""
        from containerlab.store import archives

        return archives.load_directory(self.store, Path(path))

    def save(self, names: Sequence[str], output: BinaryIO, archive_format: str = "docker-archive") -> None:
        """Write images into an archive."""
        from containerlab.store import archives

        archives.save(self.store, names, output, archive_format)

    def save_directory(self, names: Sequence[str], path: str) -> None:
        """Write images into a new OCI image layout directory."""
        from containerlab.store import archives

        archives.save_directory(self.store, names, Path(path))

    def import_rootfs(self, source: BinaryIO, name: str, config: Mapping[str, Any]) -> ImageInfo:
        """Make an image of a root file system in a tar archive.

        `config` has fields of the image configuration, and `message` and `platform`.
        """
        from containerlab.store import rootfs_archive

        fields = dict(config)
        message, platform = str(fields.pop("message", "")), fields.pop("platform", None)
        new = _new_config(fields, platform)
        return self._info(rootfs_archive.load(self.store, source, name or None, new, message).digest)

    # changing

    def tag(self, name: str, target: str) -> None:
        """Give an image another name."""
        self.store.tag(name, target)

    def remove_image(self, name: str, *, force: bool = False) -> list[str]:
        """Remove a name, and the image with its last; return a line for each thing that is gone."""
        return removal.remove(self.store, name, self._in_use, force=force)

    def prune_images(self, *, every: bool = False) -> Pruned:
        """Remove images without a name, or every one that no container uses."""
        removed, freed_bytes = removal.prune(self.store, self._in_use, everything=every)
        return Pruned(removed=tuple(removed), freed_bytes=freed_bytes)

    def _info(self, digest: str) -> ImageInfo:
        return _info(self.store.get(digest))


def _new_config(fields: Mapping[str, Any], platform: str | None = None) -> ImageConfig:
    target = Platform.parse(platform) if platform else Platform.host()
    return ImageConfig(
        created=format_time(time.time()),
        architecture=target.architecture,
        os=target.os,
        variant=target.variant,
        config=changes.merge(Config(), fields),
        rootfs=RootFS(),
    )


def _info(image: Image) -> ImageInfo:
    document: dict[str, Any] = msgspec.json.decode(image.config_raw)
    return ImageInfo(
        id=image.id,
        digest=image.descriptor.digest,
        names=image.names,
        created=parse_time(image.config.created),
        size_bytes=image.size_bytes,
        platform=str(image.config.platform),
        layers=image.diff_ids,
        config=document.get("config") or {},
        dangling=not image.names,
    )


def _history(image: Image, layers: Iterator[tuple[Descriptor, str]]) -> Iterator[HistoryEntry]:
    """Match lines with layers, lowest first; takes as many layers as there are lines for them."""
    for entry in image.config.history:
        layer = None if entry.empty_layer else next(layers, None)
        yield HistoryEntry(
            created=parse_time(entry.created),
            created_by=entry.created_by,
            size_bytes=layer[0].size if layer else 0,
            comment=entry.comment,
            layer=layer[1] if layer else "",
        )


def _line(size_bytes: int, diff_id: str) -> HistoryEntry:
    return HistoryEntry(created=None, created_by="", size_bytes=size_bytes, layer=diff_id)
