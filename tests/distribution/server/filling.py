"""Images in a registry's repositories without a client: from a layout, by the door of archives."""

from __future__ import annotations

import io
from collections.abc import Sequence

from containerlab.distribution.server.content.intake import Intake
from containerlab.distribution.server.registry import Registry
from containerlab.distribution.server.rights import SYSTEM
from containerlab.oci import image as documents
from containerlab.oci.image import Descriptor, Manifest
from tests.image_layouts import Layout

__all__ = ["fill", "speaking"]


class _FromLayout:
    def __init__(self, registry: Registry, layout: Layout) -> None:
        self._registry, self._layout = registry, layout

    def bring(self, blob: Descriptor, *, is_manifest: bool) -> None:
        self._registry.blobs.copy(io.BytesIO(self._layout.read(blob.digest)), blob)


def fill(registry: Registry, layout: Layout, repository: str, tags: Sequence[str], root: Descriptor) -> None:
    """Put an image of a layout into a repository."""
    with registry.blobs.lease():
        Intake(registry, SYSTEM, repository, _FromLayout(registry, layout)).take(root, tags)


def speaking(layout: Layout, about: Descriptor) -> Descriptor:
    """Add an artifact that speaks about an image, as a signature does."""
    manifest = Manifest(
        schema_version=2,
        media_type=documents.OCI_MANIFEST,
        artifact_type="application/x-signature",
        config=layout.blob(b"{}", "application/vnd.oci.empty.v1+json"),
        layers=(layout.blob(f"of {about.digest}".encode(), "text/plain"),),
        subject=Descriptor(media_type=about.media_type, digest=about.digest, size=about.size),
    )
    return layout.blob(documents.encode(manifest), documents.OCI_MANIFEST)
