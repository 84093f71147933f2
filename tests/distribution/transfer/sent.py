"""Images that are made up and sent to a registry without a store."""

from __future__ import annotations

import gzip
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from containerlab.distribution.remote import Remote
from containerlab.oci import digest as digests
from containerlab.oci import image as documents
from containerlab.oci.image import Config, Descriptor, ImageConfig, Index, Manifest, RootFS
from containerlab.oci.platform import Platform
from tests.distribution.artifacts import Bytes, blob_of
from tests.store.pictures import tar

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

__all__ = ["Sent", "layer_of", "send", "send_index"]

_COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    documents.OCI_LAYER: bytes,
    documents.OCI_LAYER_GZIP: lambda plain: gzip.compress(plain, 1, mtime=0),
    documents.OCI_LAYER_ZSTD: zstd.compress,
    documents.DOCKER_LAYER_GZIP: lambda plain: gzip.compress(plain, 6, mtime=0),
}


class Sent(NamedTuple):
    """An image in a registry."""

    root: Descriptor
    layers: tuple[Descriptor, ...]
    diff_ids: tuple[str, ...]

    @property
    def layer_bytes(self) -> int:
        return sum(layer.size for layer in self.layers)


def layer_of(name: str, content: bytes) -> bytes:
    """Return a layer with one file."""
    return tar({name: content})


def send(
    remote: Remote,
    tag: str,
    layers: Sequence[bytes],
    *,
    media_type: str = documents.OCI_LAYER_GZIP,
    platform: Platform | None = None,
) -> Sent:
    """Send an image of these tar archives; without a tag by its digest alone."""
    target = platform or Platform.host()
    packed = [_COMPRESSIONS[media_type](plain) for plain in layers]
    diff_ids = tuple(map(digests.of, layers))
    config = documents.encode(
        ImageConfig(
            architecture=target.architecture,
            os=target.os,
            variant=target.variant,
            config=Config(cmd=("sh",)),
            rootfs=RootFS(diff_ids=diff_ids),
        )
    )
    blobs = [(config, blob_of(config, documents.OCI_CONFIG))]
    blobs += [(data, blob_of(data, media_type)) for data in packed]
    for data, descriptor in blobs:
        if not remote.has_blob(descriptor):
            remote.upload(descriptor, Bytes(data))
    manifest = Manifest(
        schema_version=2,
        media_type=documents.OCI_MANIFEST,
        config=blobs[0][1],
        layers=tuple(descriptor for _, descriptor in blobs[1:]),
    )
    raw = documents.encode(manifest)
    remote.put_manifest(tag or digests.of(raw), raw, documents.OCI_MANIFEST)
    return Sent(blob_of(raw, documents.OCI_MANIFEST), manifest.layers, diff_ids)


def send_index(remote: Remote, tag: str, images: Mapping[str, Sequence[bytes]]) -> dict[str, Sent]:
    """Send an index with an image for each platform."""
    sent = {word: send(remote, "", layers, platform=Platform.parse(word)) for word, layers in images.items()}
    entries = [
        msgspec.structs.replace(each.root, platform=Platform.parse(word)) for word, each in sent.items()
    ]
    index = Index(schema_version=2, media_type=documents.OCI_INDEX, manifests=tuple(entries))
    remote.put_manifest(tag, documents.encode(index), documents.OCI_INDEX)
    return sent
