"""Images as the solver hands them over, made of layers by hand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from containerlab.build.attestations.statement import Predicate, write_attestation
from containerlab.build.result.built import Built
from containerlab.build.result.export import Attest
from containerlab.oci.image import Config, Healthcheck, History, ImageConfig, RootFS
from containerlab.oci.platform import Platform
from containerlab.store import removal
from containerlab.store.home import Home
from containerlab.store.images import Images
from containerlab.store.layer_writer import Committed, layer_writer
from tests.store.tars import archive, entry

FILES = archive(entry("file", content=b"content"))
CREATED = "2026-01-02T03:04:05Z"
CONFIG = Config(
    cmd=("sh",),
    env=("PATH=/bin",),
    shell=("/bin/sh", "-ec"),
    on_build=("RUN true",),
    healthcheck=Healthcheck(test=("CMD", "true"), interval=10**9),
    labels={"a": "b"},
)


@contextmanager
def store(place: Path) -> Iterator[Images]:
    """Give an empty store, whose new blobs are leased."""
    images = Images(Home.open(place))
    with removal.leased(images):
        yield images
    images.close()


def layer(images: Images, archive: bytes, compression: str = "gzip") -> Committed:
    with layer_writer(images.blobs, compression) as writer:
        writer.write(archive)
        return writer.commit()


def built(*layers: Committed, platform: str = "linux/amd64", base_layers: int = 0) -> Built:
    """Return an image with a line of history for each layer and one that made none."""
    target = Platform.parse(platform)
    lines = [History(created=CREATED, created_by=f"RUN step {i}") for i, _ in enumerate(layers)]
    config = ImageConfig(
        created=CREATED,
        architecture=target.architecture,
        os=target.os,
        variant=target.variant,
        config=CONFIG,
        rootfs=RootFS(diff_ids=tuple(each.diff_id for each in layers)),
        history=(*lines, History(created=CREATED, created_by="CMD sh", empty_layer=True)),
    )
    return Built(platform=target, layers=layers, config=config, base_layers=base_layers)


def attest_nothing(images: Images) -> Attest:
    """Return what attaches a statement without content to an image."""
    predicate = Predicate(type="https://example.org/nothing", body=b"{}", file_name="nothing.json")
    return lambda built, of, names: write_attestation(images.blobs, of, names, [predicate])
