"""What --build-context calls by a name: folders, archives, repositories, images.

Source: docs.docker.com, "docker buildx build", "--build-context".
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from containerlab import errors
from containerlab.build.contexts import context as contexts
from containerlab.build.files.selection import Source
from containerlab.oci.image import Descriptor
from containerlab.oci.platform import Platform
from containerlab.store.images import Image, Images
from containerlab.store.index import NAME_ANNOTATION

__all__ = ["NamedContexts"]

_IMAGE, _LAYOUT, _TARGET = "docker-image://", "oci-layout://", "target:"
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
FindImage = Callable[[str, Platform], Image]


class NamedContexts:
    """The named contexts of one build; what was fetched for them goes away when the `with` block ends."""

    def __init__(self, given: Sequence[tuple[str, str]], images: Images, find_image: FindImage) -> None:
        """Take names and what they stand for. Raises: InvalidInput, Unsupported."""
        self._places = dict(_checked(*pair) for pair in given)
        self._images = images
        self._find_image = find_image
        self._files: dict[str, Source] = {}
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> NamedContexts:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def of(self, platform: Platform) -> dict[str, Image | Source]:
        """Return what the names, in lower case, stand for in an image for this platform.

        Raises: NotFound, and what fetching raises.
        """
        return {name: self._one(name, place, platform) for name, place in self._places.items()}

    def _one(self, name: str, place: str, platform: Platform) -> Image | Source:
        if place.startswith(_IMAGE):
            return self._find_image(place.removeprefix(_IMAGE), platform)
        if place.startswith(_LAYOUT):
            return self._of_layout(place.removeprefix(_LAYOUT), platform)
        if name not in self._files:
            opening = contexts.files(place, self._images.home)
            self._files[name] = self._stack.enter_context(opening)
        return self._files[name]

    def _of_layout(self, place: str, platform: Platform) -> Image:
        """Bring in what a layout has, and return the image of a tag or digest."""
        from containerlab.store import oci_layout
        from containerlab.store.sources import Directory

        path, tag, digest = _layout_reference(place)
        if not (Path(path) / oci_layout.LAYOUT).is_file():
            raise errors.NotFound(
                f"there is no OCI image layout at {path}", "name its folder, which has oci-layout"
            )
        source = Directory(self._images.blobs, Path(path))
        found = [descriptor for _, descriptor in oci_layout.load(self._images, source)]
        return self._images.at(_chosen(found, place, tag, digest), place, platform)


def _checked(name: str, place: str) -> tuple[str, str]:
    if not (name and place):
        raise errors.InvalidInput(f"--build-context {name}={place} lacks a part", "write NAME=SOURCE")
    if place.startswith(_TARGET):
        raise errors.Unsupported(
            f"--build-context {name}={place}: targets are of bake files, which this does not read",
            "use a stage of the Dockerfile: COPY --from=STAGE",
        )
    return name.lower(), place


def _layout_reference(place: str) -> tuple[str, str, str]:
    """Split PATH[:TAG][@DIGEST]; a path may have colons, a tag has no slash."""
    place, _, digest = place.partition("@")
    if digest and not _DIGEST.fullmatch(digest):
        raise errors.InvalidInput(f"{digest!r} is no digest", "write sha256: and 64 hexadecimal digits")
    path, colon, tag = place.rpartition(":")
    if not colon or "/" in tag or os.path.isdir(place):
        path, tag = place, ""
    return path, tag, digest


def _chosen(found: Sequence[Descriptor], place: str, tag: str, digest: str) -> Descriptor:
    fitting = [
        each for each in found if (not digest or each.digest == digest) and (not tag or _tag(each) == tag)
    ]
    if not (tag or digest) and len(fitting) > 1:
        fitting = [each for each in fitting if _tag(each) == "latest"]
    if not fitting:
        there = ", ".join(_tag(each) or each.digest for each in found)
        raise errors.NotFound(f"the layout at {place} has no such image", f"there is: {there}")
    return fitting[0]


def _tag(descriptor: Descriptor) -> str:
    """Return the tag; some programs write the whole name there."""
    return descriptor.annotations.get(NAME_ANNOTATION, "").rpartition(":")[2]
