"""Images in a registry's repositories without a client: from a layout, by the door of archives."""

from __future__ import annotations

import io
from collections.abc import Sequence

from containerlab.distribution.server.intake import Intake
from containerlab.distribution.server.registry import Registry
from containerlab.distribution.server.rights import SYSTEM
from containerlab.oci.image import Descriptor
from tests.image_layouts import Layout

__all__ = ["fill"]


class _FromLayout:
    def __init__(self, registry: Registry, layout: Layout) -> None:
        self._registry, self._layout = registry, layout

    def bring(self, blob: Descriptor, *, is_manifest: bool) -> None:
        self._registry.blobs.copy(io.BytesIO(self._layout.read(blob.digest)), blob)


def fill(registry: Registry, layout: Layout, repository: str, tags: Sequence[str], root: Descriptor) -> None:
    """Put an image of a layout into a repository."""
    with registry.blobs.lease():
        Intake(registry, SYSTEM, repository, _FromLayout(registry, layout)).take(root, tags)
