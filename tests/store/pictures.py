"""Small images for the tests of the store."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Mapping, Sequence

import msgspec

from containerlab.oci import digest as digests
from containerlab.oci import image as documents
from containerlab.oci.image import Config, Descriptor, History, ImageConfig, Index, RootFS
from containerlab.oci.platform import Platform
from containerlab.store.assemble import Layer, assemble
from containerlab.store.blobs import Blobs
from containerlab.store.images import Images


def tar(files: Mapping[str, bytes]) -> bytes:
    """Make a tar archive."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def layer(blobs: Blobs, content: str) -> Layer:
    """Write a layer with one file."""
    plain = tar({"file": content.encode()})
    descriptor = blobs.write(gzip.compress(plain, mtime=0), documents.OCI_LAYER_GZIP)
    return Layer(descriptor, digests.of(plain), History(created_by=f"RUN {content}"))


def write(images: Images, *contents: str, platform: str = "") -> Descriptor:
    """Write the blobs of an image, a layer for each content; it has no name yet."""
    target = Platform.parse(platform) if platform else Platform.host()
    config = ImageConfig(
        created="2026-01-02T03:04:05Z",
        architecture=target.architecture,
        os=target.os,
        variant=target.variant,
        config=Config(cmd=("sh",), labels={"content": ",".join(contents)}),
        rootfs=RootFS(),
    )
    return assemble(images.blobs, [layer(images.blobs, each) for each in contents], config)


def put(images: Images, name: str | None, *contents: str, platform: str = "") -> Descriptor:
    """Bring in an image."""
    with images.blobs.lease():
        descriptor = write(images, *contents, platform=platform)
        images.put(name, descriptor)
    return descriptor


def write_index(images: Images, platforms: Sequence[str]) -> Descriptor:
    """Write an index with an image for each platform."""
    manifests = [
        msgspec.structs.replace(write(images, each, platform=each), platform=Platform.parse(each))
        for each in platforms
    ]
    index = Index(schema_version=2, media_type=documents.OCI_INDEX, manifests=tuple(manifests))
    return images.blobs.write(documents.encode(index), documents.OCI_INDEX)


def needed(images: Images) -> set[str]:
    """Return the digests of all blobs that images have."""
    return {
        digest
        for image in images.list()
        for digest in (image.manifest_digest, image.id, *(layer.digest for layer in image.layers))
    }


def is_complete(images: Images) -> bool:
    """Read and verify every blob of every image."""
    for image in images.list():
        for blob in (image.manifest.config, *image.layers):
            with images.blobs.open(blob) as stream:
                while stream.read(1 << 20):
                    pass
    return True
