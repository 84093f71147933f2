"""Images made of the layers of others: on another base, without a file, with fewer layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from containerlab.backends.embedded_images import image_info, now
from containerlab.backends.optional import Reworked
from containerlab.oci.image import History, RootFS, encode_config, format_time
from containerlab.store import removal
from containerlab.store.images import Image, Images

if TYPE_CHECKING:
    from containerlab.store.layer_writer import Committed
    from containerlab.store.rebase import Stack

__all__ = ["ReworkingVerbs"]

_SHOWN_COLLISIONS = 5


class ReworkingVerbs:
    """Does what `optional.Reworking` asks."""

    store: Images

    def rebase_image(
        self, name: str, tag: str = "", *, onto: str = "", old: str = "", drop: Sequence[str] = ()
    ) -> Reworked:
        """Put the layers above the base `old` on the base `onto`, and take files out of all layers."""
        from containerlab.store import rebase
        from containerlab.store.drop import drop as dropped

        image = self.store.get(name)
        notices: list[str] = []
        with removal.leased(self.store):
            stack, base = rebase.stack(image), None
            if onto:
                base = self.store.get(onto, str(image.config.platform))
                before = self.store.get(old, str(image.config.platform)) if old else self._base_of(image)
                stack = rebase.rebased(image, before, base)
                own = rebase.own_layers(image, before)
                notices += _collisions(rebase.collisions(self.store.blobs, own, before, base))
            if drop:
                layers = dropped(self.store.blobs, stack.layers, drop)
                stack = _with_layers(stack, layers, f"drop {' '.join(drop)}")
            return self._put(image, stack, tag or _own_name(image, name), notices, base)

    def squash_image(self, name: str, tag: str = "", *, base: str = "") -> Reworked:
        """Make one layer of those above the base, of all without one."""
        from containerlab.store import rebase
        from containerlab.store.squash import squash_history, squash_layers

        image = self.store.get(name)
        kept: tuple[Committed, ...] = ()
        if base:
            below = self.store.get(base, str(image.config.platform))
            rebase.own_layers(image, below)
            kept = rebase.stack(below).layers
        with removal.leased(self.store):
            layers = image.layers[len(kept) :]
            squashed = squash_layers(self.store.blobs, layers, keeps_whiteouts=bool(kept))
            history = squash_history(image.config.history, len(kept), format_time(now()))
            config = msgspec.structs.replace(
                image.config,
                rootfs=RootFS(diff_ids=(*(layer.diff_id for layer in kept), squashed.diff_id)),
                history=history,
            )
            stack = rebase.Stack((*kept, squashed), config)
            return self._put(image, stack, tag or _own_name(image, name), [], None)

    def _base_of(self, image: Image) -> Image:
        from containerlab.store.rebase import find_base

        return find_base(image, self.store.list())

    def _put(
        self, image: Image, stack: Stack, tag: str, notices: Sequence[str], base: Image | None
    ) -> Reworked:
        from containerlab.store.assemble import write_manifest

        annotations = image.manifest.annotations
        if base is not None:
            named = {_BASE_NAME: base.names[0]} if base.names else {}
            annotations = {**annotations, **named, _BASE_DIGEST: base.manifest_digest}
        descriptor = write_manifest(
            self.store.blobs,
            encode_config(stack.config, image.config_raw),
            [layer.descriptor for layer in stack.layers],
            annotations=annotations,
        )
        self.store.put(tag or None, descriptor)
        made = self.store.get(descriptor.digest)
        told = (*notices, *_left_out(image), *([_still_there(image)] if made.id != image.id else ()))
        return Reworked(image_info(made), told)


_BASE_NAME = "org.opencontainers.image.base.name"
_BASE_DIGEST = "org.opencontainers.image.base.digest"


def _own_name(image: Image, words: str) -> str:
    """Return what the user called the image, if that is a name of it."""
    return words if words in image.names or f"{words}:latest" in image.names else ""


def _with_layers(stack: Stack, layers: tuple[Committed, ...], line: str) -> Stack:
    history = (*stack.config.history, History(created=format_time(now()), created_by=line, empty_layer=True))
    rootfs = RootFS(diff_ids=tuple(layer.diff_id for layer in layers))
    return stack._replace(
        layers=layers, config=msgspec.structs.replace(stack.config, rootfs=rootfs, history=history)
    )


def _still_there(image: Image) -> str:
    return f"what {image.id[:19]} has is in the store as long as that image is: `image rm {image.id[7:19]}`"


def _left_out(image: Image) -> list[str]:
    """Say that an index has more than the one image."""
    if image.descriptor.digest == image.manifest_digest:
        return []
    platform = image.config.platform
    return [f"only the image for {platform} was taken; statements about it are not true of the new one"]


def _collisions(paths: Sequence[str]) -> list[str]:
    if not paths:
        return []
    more = f" and {len(paths) - _SHOWN_COLLISIONS} more" if len(paths) > _SHOWN_COLLISIONS else ""
    shown = ", ".join(paths[:_SHOWN_COLLISIONS])
    return [f"the image's own files hide files that the new base changed: {shown}{more}"]
