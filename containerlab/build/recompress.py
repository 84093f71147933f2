"""Layers as an image is to have them: compressed otherwise, or with no time later than a bound."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import msgspec

from containerlab import errors
from containerlab.build.built import Built
from containerlab.oci import image as documents
from containerlab.oci.image import RootFS
from containerlab.store.blobs import Blobs
from containerlab.store.compression import decompressed
from containerlab.store.layer_reader import layer_reader
from containerlab.store.layer_writer import Committed, layer_writer
from containerlab.store.tar_copy import batched, bounded, rewritten

__all__ = ["LayerForm", "converted"]

_CHUNK = 1 << 20
_TYPES = {
    "gzip": documents.OCI_LAYER_GZIP,
    "zstd": documents.OCI_LAYER_ZSTD,
    "none": documents.OCI_LAYER,
}


class LayerForm(msgspec.Struct, frozen=True, kw_only=True):
    """How layers are to be; the default leaves all as they are."""

    compression: str = ""
    """gzip, zstd or none; empty for what each layer has."""
    level: int | None = None
    forces: bool = False
    """Whether the layers of the base image are compressed anew too."""
    newest_s: int | None = None
    """No file in a new layer is younger than this."""


def converted(blobs: Blobs, built: Built, form: LayerForm) -> Built:
    """Return the image with its layers in that form; those of the base keep their blobs unless forced.

    The caller holds a lease.

    Raises: InvalidInput for a level that the compression has not; NotFound, CorruptContent.
    """
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        first = built.base_layers
        old = list(pool.map(partial(_compressed, blobs, form, form.forces), built.layers[:first]))
        new = list(pool.map(partial(_new, blobs, form), built.layers[first:]))
    layers = (*old, *new)
    rootfs = RootFS(diff_ids=tuple(layer.diff_id for layer in layers))
    return msgspec.structs.replace(
        built, layers=layers, config=msgspec.structs.replace(built.config, rootfs=rootfs)
    )


def _new(blobs: Blobs, form: LayerForm, layer: Committed) -> Committed:
    if form.newest_s is None:
        return _compressed(blobs, form, True, layer)
    compression = form.compression or _compression_of(layer)
    with (
        layer_reader(blobs, layer.descriptor) as reader,
        layer_writer(blobs, compression, level=form.level) as writer,
    ):
        for piece in batched(rewritten(reader, bounded(form.newest_s))):
            writer.write(piece)
        return writer.commit()


def _compressed(blobs: Blobs, form: LayerForm, is_wanted: bool, layer: Committed) -> Committed:
    compression = form.compression or _compression_of(layer)
    is_right = compression == _compression_of(layer) and form.level is None
    if not is_wanted or is_right:
        return layer
    with blobs.open(layer.descriptor) as blob, layer_writer(blobs, compression, level=form.level) as writer:
        stream = decompressed(blob, layer.descriptor.media_type)
        while chunk := stream.read(_CHUNK):
            writer.write(chunk)
        made = writer.commit()
    if made.diff_id != layer.diff_id:
        raise errors.DigestMismatch(f"layer {layer.diff_id} turned out to be {made.diff_id}")
    return made


def _compression_of(layer: Committed) -> str:
    media_type = documents.as_oci_layer(layer.descriptor).media_type
    return next((name for name, known in _TYPES.items() if known == media_type), "none")
