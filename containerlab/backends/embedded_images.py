"""The image verbs of the embedded engine: the store's answers in the backend's words."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import msgspec

from containerlab import errors
from containerlab.backends.base import DiskSize, HistoryEntry, ImageInfo, Pruned
from containerlab.oci.image import Config, Descriptor, History, ImageConfig, RootFS, format_time, parse_time
from containerlab.oci.platform import Platform
from containerlab.oci.reference import Reference
from containerlab.store import removal
from containerlab.store.home import Home
from containerlab.store.images import Image, Images
from containerlab.store.layers import Layers

if TYPE_CHECKING:
    from containerlab.store.layer_writer import Committed

__all__ = ["EmbeddedImages", "image_info", "now"]


class EmbeddedImages:
    """Does what `Backend` and `ImageMaker` ask of images.

    in_use: gives the names of the containers that were made from an image id.
    held_layers: gives the diff ids of all layers that containers stand on.
    """

    def __init__(
        self,
        home: Home,
        in_use: Callable[[str], list[str]] = lambda image_id: [],
        held_layers: Callable[[], Iterable[str]] = tuple,
    ) -> None:
        self.store = Images(home)
        self._in_use = in_use
        self._held_layers = held_layers

    # looking

    def images(self) -> list[ImageInfo]:
        """Return all images, those without a name too."""
        return [image_info(image) for image in self.store.list()]

    def image(self, name: str, platform: str | None = None) -> ImageInfo:
        """Find an image by name, digest or id."""
        return image_info(self.store.get(name, platform))

    def history(self, name: str) -> list[HistoryEntry]:
        """Return how an image was made, newest first."""
        image = self.store.get(name)
        layers = iter(zip(image.layers, image.diff_ids, strict=True))
        lines = list(_history(image, layers))
        # Tools that write no history, or too little of it, still made the layers.
        lines += [_line(layer.size, diff_id) for layer, diff_id in layers]
        return lines[::-1]

    def image_sizes(self) -> dict[str, DiskSize]:
        """Measure images by the digests that their names lead to."""
        from containerlab.store.usage import measure

        return {
            each.digest: DiskSize(written_bytes=each.unique_bytes, all_bytes=each.size_bytes)
            for each in measure(self.store)
        }

    def images_bytes(self, digests: Collection[str]) -> int:
        """Return what images take together: what several have counts once."""
        from containerlab.store.usage import total_bytes

        return total_bytes(self.store, digests)

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
        from containerlab.oci import changes
        from containerlab.store import rootfs_archive

        fields = dict(config)
        message, platform = str(fields.pop("message", "")), fields.pop("platform", None)
        new = _new_config(changes.merge(Config(), fields), platform)
        return self._info(rootfs_archive.load(self.store, source, name or None, new, message).digest)

    def from_host(self, name: str, programs: Sequence[str] = (), *, python: bool | None = None) -> ImageInfo:
        """Make an image of programs of this host with their libraries.

        Without programs: a shell, coreutils and the like. The running Python comes along when `python` is
        true or, left out, when no programs are named.
        """
        from containerlab.store.from_host import from_host

        Reference.parse(name)  # a wrong name must not be found out after all the work
        with removal.leased(self.store):
            made = from_host(self.store.blobs, programs or None, python=python)
            return self._bring_in(name, made.layers, made.history, made.config)

    def from_debootstrap(
        self,
        name: str,
        suite: str,
        options: Mapping[str, Any],
        *,
        progress: Callable[[str], None] | None = None,
    ) -> ImageInfo:
        """Make an image of a Debian or Ubuntu release; options: `mirror` and `variant`."""
        from containerlab.store.debootstrap import from_debootstrap

        Reference.parse(name)
        if options.get("include"):
            raise errors.Unsupported(
                "from-debootstrap adds no packages",
                "install them in a container of the image, then commit it",
            )
        with removal.leased(self.store):
            variant = options.get("variant", "minbase")
            made = from_debootstrap(
                self.store.home, suite, options.get("mirror"), variant=variant, progress=progress
            )
            return self._bring_in(name, made.layers, made.history, made.config)

    # changing

    def tag(self, name: str, target: str) -> None:
        """Give an image another name."""
        self.store.tag(name, target)

    def remove_image(self, name: str, *, force: bool = False) -> list[str]:
        """Remove a name, and the image with its last; return a line for each thing that is gone."""
        lines = removal.remove(self.store, name, self._in_use, force=force)
        self.drop_layers()
        return lines

    def prune_images(self, *, every: bool = False, among: Collection[str] | None = None) -> Pruned:
        """Remove images without a name, or every one that no container uses; only digests of `among`."""
        removed, freed_bytes = removal.prune(self.store, self._in_use, everything=every, among=among)
        self.drop_layers()
        return Pruned(removed=tuple(removed), freed_bytes=freed_bytes)

    def drop_layers(self) -> int:
        """Remove the unpacked layers that no image and no container has; return how many."""
        return Layers(self.store.home).drop(lambda: {*self.store.referenced_diff_ids(), *self._held_layers()})

    def _bring_in(
        self, name: str, layers: Sequence[Committed], history: Sequence[str], config: Config
    ) -> ImageInfo:
        from containerlab.store.assemble import Layer, assemble

        created = format_time(now())
        stack = [
            Layer(layer.descriptor, layer.diff_id, History(created=created, created_by=line))
            for layer, line in zip(layers, history, strict=True)
        ]
        descriptor = assemble(self.store.blobs, stack, _new_config(config))
        self.store.put(name, descriptor)
        return self._info(descriptor.digest)

    def _info(self, digest: str) -> ImageInfo:
        return image_info(self.store.get(digest))


def _new_config(config: Config, platform: str | None = None) -> ImageConfig:
    target = Platform.parse(platform) if platform else Platform.host()
    return ImageConfig(
        created=format_time(now()),
        architecture=target.architecture,
        os=target.os,
        variant=target.variant,
        config=config,
        rootfs=RootFS(),
    )


def now() -> float:
    """Return the time to note; SOURCE_DATE_EPOCH stops it, as reproducible-builds.org describes."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    return float(epoch) if epoch.isdigit() else time.time()


def image_info(image: Image) -> ImageInfo:
    """Return an image of the store in the backend's words."""
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
        author=image.config.author,
        comment=image.config.history[-1].comment if image.config.history else "",
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
