"""Layers as an image is to have them: compressed otherwise, or with no time later than a bound."""

from __future__ import annotations

import os
from functools import partial

import msgspec

from containerlab import errors
from containerlab.build.result.built import Built
from containerlab.oci.image import RootFS
from containerlab.store.blobs import Blobs
from containerlab.store.compression import decompressed
from containerlab.store.layer_reader import layer_reader
from containerlab.store.layer_writer import Committed, compression_of, layer_writer
from containerlab.store.tar_copy import batched, bounded, rewritten

__all__ = ["LayerForm", "converted"]

_CHUNK = 1 << 20


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
    if form == LayerForm():
        return built
    from concurrent.futures import ThreadPoolExecutor  # not for what stays as it is

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        base, new = built.layers[: built.base_layers], built.layers[built.base_layers :]
        if form.forces:
            base = tuple(pool.map(partial(_compressed, blobs, form), base))
        layers = (*base, *pool.map(partial(_new, blobs, form), new))
    rootfs = RootFS(diff_ids=tuple(layer.diff_id for layer in layers))
    return msgspec.structs.replace(
        built, layers=layers, config=msgspec.structs.replace(built.config, rootfs=rootfs)
    )


def _new(blobs: Blobs, form: LayerForm, layer: Committed) -> Committed:
    if form.newest_s is None:
        return _compressed(blobs, form, layer)
    compression = form.compression or compression_of(layer.descriptor)
    with (
        layer_reader(blobs, layer.descriptor) as reader,
        layer_writer(blobs, compression, level=form.level) as writer,
    ):
        for piece in batched(rewritten(reader, bounded(form.newest_s))):
            writer.write(piece)
        return writer.commit()


def _compressed(blobs: Blobs, form: LayerForm, layer: Committed) -> Committed:
    compression = form.compression or compression_of(layer.descriptor)
    if compression == compression_of(layer.descriptor) and form.level is None:
        return layer
    with blobs.open(layer.descriptor) as blob, layer_writer(blobs, compression, level=form.level) as writer:
        stream = decompressed(blob, layer.descriptor.media_type)
        while chunk := stream.read(_CHUNK):
            writer.write(chunk)
        made = writer.commit()
    if made.diff_id != layer.diff_id:
        raise errors.DigestMismatch(f"layer {layer.diff_id} turned out to be {made.diff_id}")
    return made
