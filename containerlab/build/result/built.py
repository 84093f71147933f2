"""What the solver hands to the exporters: an image for one platform, whose layers are in the store."""

from __future__ import annotations

import msgspec

from containerlab.oci.image import ImageConfig
from containerlab.oci.platform import Platform
from containerlab.store.layer_writer import Committed

__all__ = ["Built"]


class Built(msgspec.Struct, frozen=True, kw_only=True):
    """An image before it has a manifest."""

    platform: Platform
    layers: tuple[Committed, ...]
    """Lowest first, those of the base image among them."""
    base_layers: int = 0
    """How many of the layers, from the lowest, are those of the base image."""
    config: ImageConfig
    """Complete: its root file system names the layers, its history says how they came."""
