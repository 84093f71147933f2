"""`build --squash`: what the build made becomes one layer, without what it deleted again."""

from __future__ import annotations

import msgspec

from containerlab.build.result.built import Built
from containerlab.oci.image import RootFS
from containerlab.store.blobs import Blobs
from containerlab.store.squash import squash_history, squash_layers

__all__ = ["squash"]


def squash(
    blobs: Blobs,
    built: Built,
    *,
    compression: str = "gzip",
    newest_s: int | None = None,
) -> Built:
    """Return the image with one layer instead of all new ones.

    What a new layer deletes of another is in no blob of it; what it deletes of the base stays deleted. The
    caller holds a lease.
    """
    kept = built.layers[: built.base_layers]
    new = built.layers[len(kept) :]
    if len(new) < 2:
        return built
    made = squash_layers(
        blobs,
        [layer.descriptor for layer in new],
        compression=compression,
        keeps_whiteouts=bool(kept),
        newest_s=newest_s,
    )
    layers = (*kept, made)
    config = msgspec.structs.replace(
        built.config,
        rootfs=RootFS(diff_ids=tuple(layer.diff_id for layer in layers)),
        history=squash_history(built.config.history, len(kept), built.config.created),
    )
    return msgspec.structs.replace(built, layers=layers, config=config)
