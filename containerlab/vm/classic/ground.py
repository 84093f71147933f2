"""An image's files come to lie in a directory of the Debian around it, as one tree."""

from __future__ import annotations

from containerlab.store.flatten import Merged
from containerlab.store.paths import join

__all__ = ["PLACE", "beneath"]

PLACE = b"srv/image"


def beneath(ground: Merged, image: Merged, layers: int) -> Merged:
    """Return what a ground shows whose `PLACE` is an image; layers: how many those of the ground are."""
    nodes = dict(ground.nodes)
    for path, found in image.nodes.items():
        nodes[join(PLACE, path) if path else PLACE] = found._replace(layer=found.layer + layers)
    return Merged(nodes, frozenset(), frozenset())
