"""Make an image of layers that are in the store: what every source that has no manifest does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from containerlab.oci import image as documents
from containerlab.oci.image import Descriptor, History, ImageConfig, Manifest, RootFS
from containerlab.store.blobs import Blobs
from containerlab.store.images import Image

__all__ = ["Layer", "assemble", "write_manifest"]


class Layer(NamedTuple):
    """A layer to be put on top, or with no descriptor a change of the configuration alone."""

    descriptor: Descriptor | None
    diff_id: str
    history: History


def assemble(
    blobs: Blobs, layers: Sequence[Layer], config: ImageConfig, base: Image | None = None
) -> Descriptor:
    """Write configuration and manifest of an image with these layers on top of those of `base`.

    `config` says everything but root file system and history. What the configuration of `base` has and this
    version does not know is kept. Returns the descriptor of the manifest, ready for `Images.put`.
    """
    real = [(layer.descriptor, layer.diff_id) for layer in layers if layer.descriptor]
    config = msgspec.structs.replace(
        config,
        rootfs=RootFS(diff_ids=(*(base.diff_ids if base else ()), *(diff_id for _, diff_id in real))),
        history=(*(base.config.history if base else ()), *map(_history, layers)),
    )
    raw = documents.encode_config(config, base.config_raw if base else b"")
    return write_manifest(blobs, raw, (*(base.layers if base else ()), *(layer for layer, _ in real)))


def write_manifest(
    blobs: Blobs,
    config_raw: bytes,
    layers: Sequence[Descriptor],
    *,
    oci: bool = True,
    annotations: Mapping[str, str] = {},
) -> Descriptor:
    """Write a configuration, and a manifest with it and these layers, lowest first; return its descriptor.

    oci: in the words of OCI, else in those of Docker, whose manifests have no annotations.
    """
    manifest = Manifest(
        schema_version=2,
        media_type=documents.OCI_MANIFEST if oci else documents.DOCKER_MANIFEST,
        config=blobs.write(config_raw, documents.OCI_CONFIG if oci else documents.DOCKER_CONFIG),
        layers=tuple(map(documents.as_oci_layer if oci else documents.as_docker_layer, layers)),
        annotations=dict(annotations),
    )
    return blobs.write(documents.encode(manifest), manifest.media_type)


def _history(layer: Layer) -> History:
    return msgspec.structs.replace(layer.history, empty_layer=layer.descriptor is None)
