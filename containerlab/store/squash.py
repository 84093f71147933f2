"""Several layers become one that does the same, so that what they delete of each other is in no blob."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from containerlab.oci.image import Descriptor, History
from containerlab.store import tar_write as tar
from containerlab.store.blobs import Blobs
from containerlab.store.flatten import flattened, merge
from containerlab.store.layer_writer import Committed, layer_writer
from containerlab.store.tar_copy import batched, bounded

__all__ = ["squash_history", "squash_layers"]


def squash_layers(
    blobs: Blobs,
    layers: Sequence[Descriptor],
    *,
    compression: str = "gzip",
    keeps_whiteouts: bool = True,
    newest_s: int | None = None,
) -> Committed:
    """Write one layer instead of these, lowest first.

    keeps_whiteouts: it still takes away what these take away from layers below; not needed where none is.
    newest_s: no file in it is younger. The caller holds a lease.

    Raises: NotFound, CorruptContent, HostileArchive.
    """
    merged = merge(blobs, layers)
    pieces = flattened(blobs, layers, merged, bounded(newest_s), whiteouts=keeps_whiteouts)
    with layer_writer(blobs, compression) as writer:
        for piece in batched(pieces):
            writer.write(piece)
        writer.write(tar.END)
        return writer.commit()


def squash_history(history: Sequence[History], kept_layers: int, created: str | None) -> tuple[History, ...]:
    """Return the history of an image whose layers above the first `kept_layers` became one, the last."""
    lines: list[History] = []
    left = kept_layers
    for line in history:
        is_kept = line.empty_layer or left > 0
        left -= not line.empty_layer
        lines.append(line if is_kept else msgspec.structs.replace(line, empty_layer=True))
    squashed = sum(not line.empty_layer for line in history) - kept_layers
    comment = f"{squashed} layers made one" if squashed > 0 else ""
    return (*lines, History(created=created, created_by="squash", comment=comment))
