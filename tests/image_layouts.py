"""Images for registries to keep, as OCI layouts on the disk, made without a network.

    layout = image_layouts.Layout(folder)
    image = layout.image(layers=3, size=10_000)      # a descriptor
    layout.tag("one", image)                         # skopeo copy oci:FOLDER:one docker://…
    layout.tag("many", layout.index({"amd64": image, "arm64": other}))

Same arguments, same digests.
"""

from __future__ import annotations

import gzip
import io
import random
import tarfile
from collections.abc import Mapping
from pathlib import Path

from containerlab.oci import digest as digests
from containerlab.oci import image as documents
from containerlab.oci.image import (
    Config,
    Descriptor,
    ImageConfig,
    Index,
    Manifest,
    RootFS,
)
from containerlab.oci.platform import Platform
from tests import busybox

__all__ = ["Layout", "archive"]

_NAME = "org.opencontainers.image.ref.name"
Files = Mapping[str, bytes]


class Layout:
    """An OCI image layout that grows; made in a folder that need not exist."""

    def __init__(self, folder: Path, names: Mapping[str, Descriptor] = {}) -> None:
        self.folder = folder
        self._names = dict(names)
        (folder / "blobs" / "sha256").mkdir(parents=True, exist_ok=True)
        (folder / "oci-layout").write_bytes(documents.OCI_LAYOUT)
        self._write_index()

    @classmethod
    def open(cls, folder: Path) -> Layout:
        """Return a layout that somebody else has written."""
        found = documents.decode_document((folder / "index.json").read_bytes(), documents.OCI_INDEX)
        assert isinstance(found, Index)
        return cls(folder, {each.annotations[_NAME]: each for each in found.manifests})

    def blob(self, data: bytes, media_type: str = "application/octet-stream") -> Descriptor:
        """Add a blob."""
        found = Descriptor(media_type=media_type, digest=digests.of(data), size=len(data))
        (self.folder / "blobs" / digests.path(found.digest)).write_bytes(data)
        return found

    def read(self, digest: str) -> bytes:
        """Return a blob."""
        return (self.folder / "blobs" / digests.path(digest)).read_bytes()

    def image(
        self, *, layers: int = 3, size: int = 10_000, seed: int = 0, architecture: str = "amd64"
    ) -> Descriptor:
        """Add an image of layers with a file each of `size` bytes that do not compress."""
        source = random.Random(f"{seed} {architecture}")
        archives = [archive({f"files/{number}": source.randbytes(size)}) for number in range(layers)]
        return self.image_of(archives, architecture)

    def runnable(self) -> Descriptor:
        """Add an image that has busybox, and one more layer with /hello."""
        return self.image_of([busybox.root_file_system(), archive({"hello": b"hello\n"})])

    def image_of(self, archives: list[bytes], architecture: str = "amd64") -> Descriptor:
        """Add an image of layers that are tar archives, lowest first."""
        layers = [self.blob(gzip.compress(each, 1, mtime=0), documents.OCI_LAYER_GZIP) for each in archives]
        config = ImageConfig(
            created=documents.format_time(0),
            architecture=architecture,
            os="linux",
            config=Config(cmd=("cat", "/hello")),
            rootfs=RootFS(diff_ids=tuple(map(digests.of, archives))),
        )
        manifest = Manifest(
            schema_version=2,
            media_type=documents.OCI_MANIFEST,
            config=self.blob(documents.encode_config(config), documents.OCI_CONFIG),
            layers=tuple(layers),
        )
        return self.blob(documents.encode(manifest), documents.OCI_MANIFEST)

    def index(self, images: Mapping[str, Descriptor]) -> Descriptor:
        """Add an index of images by their architecture."""
        entries = [
            Descriptor(
                media_type=image.media_type,
                digest=image.digest,
                size=image.size,
                platform=Platform(architecture, "linux"),
            )
            for architecture, image in images.items()
        ]
        found = Index(schema_version=2, media_type=documents.OCI_INDEX, manifests=tuple(entries))
        return self.blob(documents.encode(found), documents.OCI_INDEX)

    def tag(self, name: str, descriptor: Descriptor) -> str:
        """Give what a descriptor leads to a name; return how skopeo calls it."""
        self._names[name] = descriptor
        self._write_index()
        return self.name(name)

    def name(self, name: str) -> str:
        """Return how skopeo calls what has a name."""
        return f"oci:{self.folder}:{name}"

    def digest(self, name: str) -> str:
        """Return what a name leads to."""
        return self._names[name].digest

    def _write_index(self) -> None:
        entries = [
            Descriptor(
                media_type=each.media_type, digest=each.digest, size=each.size, annotations={_NAME: name}
            )
            for name, each in self._names.items()
        ]
        found = Index(schema_version=2, media_type=documents.OCI_INDEX, manifests=tuple(entries))
        (self.folder / "index.json").write_bytes(documents.encode(found))


def archive(files: Files) -> bytes:
    """Return these files as a tar archive."""
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w") as writing:
        for path, content in files.items():
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode = len(content), 0o644
            writing.addfile(entry, io.BytesIO(content))
    return output.getvalue()
