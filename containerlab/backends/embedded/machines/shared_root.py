"""A root file system without a disk: the image's unpacked layers, as containers have them, by virtiofs."""

from __future__ import annotations

from containerlab.errors import Unsupported
from containerlab.store import snapshots
from containerlab.store.home import Home
from containerlab.store.images import Image
from containerlab.store.layers import Layers
from containerlab.vm.guest import layout
from containerlab.vm.qemu.plan import Share

__all__ = ["share"]


def share(home: Home, image: Image) -> Share:
    """Return the share of an image's files; they are laid over the topmost layer's own directory.

    Raises: Unsupported for a user with a single id, whose files all have one owner, and where the kernel's
        overlay does not work.
    """
    layers = Layers(home)
    if layers.idmap.kind == "single":
        raise Unsupported(
            f"a user with a single id ({layers.idmap.reason}) cannot share a root with its owners",
            "leave --filesystem out: a disk has the right owners whoever makes it",
        )
    trial = snapshots.trial(home, layers.idmap)
    lowers = layers.ensure(image)
    if len(lowers) > 1 and trial.kind != "overlay":
        raise Unsupported(
            "the layers of this image cannot be laid over each other here: " + " ".join(trial.refusals),
            "leave --filesystem out",
        )
    laid = snapshots.overlay(home, lowers, None, layers.idmap) if len(lowers) > 1 else None
    return Share("virtiofs", layout.ROOT_TAG, str(lowers[0]), True, laid)
