"""The image verbs as the engine calls them."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from containerlab.backends.base import HistoryEntry
from containerlab.backends.embedded_images import EmbeddedImages
from containerlab.errors import Conflict, CorruptContent, InvalidInput, LabError, NotFound
from containerlab.oci import digest as digests
from containerlab.oci import image as documents
from containerlab.oci.image import Descriptor, History, ImageConfig, RootFS
from containerlab.oci.platform import Platform
from containerlab.store.assemble import Layer, assemble
from containerlab.store.compression import zstd
from containerlab.store.home import Home
from containerlab.store.layers import Layers
from tests.store import pictures

ROOTFS = pictures.tar({"bin/sh": b"#!", "etc/passwd": b"root:x:0:0::/:/bin/sh\n"})


@pytest.fixture
def verbs(tmp_path: Path) -> Iterator[EmbeddedImages]:
    """Yield the verbs on an empty store."""
    made = EmbeddedImages(Home.open(tmp_path / "home"))
    yield made
    made.store.close()


def test_an_image_is_described(verbs: EmbeddedImages) -> None:
    descriptor = pictures.put(verbs.store, "lab/base", "a", "b")
    found = verbs.image("lab/base")
    assert found.names == ("lab/base:latest",)
    assert found.digest == descriptor.digest
    assert found.created == 1767323045.0
    assert found.platform == str(Platform.host())
    assert found.config == {"Cmd": ["sh"], "Labels": {"content": "a,b"}}
    assert found.size_bytes == sum(layer.size for layer in verbs.store.get("lab/base").layers)
    assert not found.dangling
    assert verbs.images() == [found]
    verbs.tag("lab/base", "other:1")
    assert verbs.image(found.id).names == ("lab/base:latest", "other:1")


def test_history_is_newest_first_with_the_size_of_each_layer(verbs: EmbeddedImages) -> None:
    blobs = verbs.store.blobs
    one, two = pictures.layer(blobs, "one"), pictures.layer(blobs, "two" * 100)
    label = Layer(None, "", History(created_by="LABEL x", comment="buildkit"))
    config = ImageConfig(architecture="amd64", os="linux", rootfs=RootFS())
    verbs.store.put("x", assemble(blobs, [one, label, two], config))
    assert isinstance(one.descriptor, Descriptor)
    assert isinstance(two.descriptor, Descriptor)
    assert verbs.history("x") == [
        HistoryEntry(
            created=None, created_by=two.history.created_by, size_bytes=two.descriptor.size, layer=two.diff_id
        ),
        HistoryEntry(created=None, created_by="LABEL x", size_bytes=0, comment="buildkit"),
        HistoryEntry(created=None, created_by="RUN one", size_bytes=one.descriptor.size, layer=one.diff_id),
    ]


def test_layers_without_history_are_listed_all_the_same(verbs: EmbeddedImages) -> None:
    descriptor = pictures.put(verbs.store, "x", "a", "b")
    config = json.loads(verbs.store.get(descriptor.digest).config_raw)
    del config["history"]
    manifest = json.loads(verbs.store.get(descriptor.digest).manifest_raw)
    new = verbs.store.blobs.write(json.dumps(config).encode(), documents.OCI_CONFIG)
    manifest["config"] = {"mediaType": new.media_type, "digest": new.digest, "size": new.size}
    verbs.store.put("y", verbs.store.blobs.write(json.dumps(manifest).encode(), documents.OCI_MANIFEST))
    assert [line.layer for line in verbs.history("y")] == list(verbs.image("y").layers)[::-1]


# --- import


@pytest.mark.parametrize(
    "compress",
    [bytes, gzip.compress, zstd.compress, bz2.compress, lzma.compress],
    ids=["plain", "gz", "zstd", "bz2", "xz"],
)
def test_a_root_file_system_comes_in_with_any_compression(
    verbs: EmbeddedImages, compress: Callable[[bytes], bytes]
) -> None:
    archive = compress(ROOTFS)  # once: gzip writes the time
    found = verbs.import_rootfs(io.BytesIO(archive), "lab/rootfs", {"Cmd": ["/bin/sh"], "message": "mine"})
    assert found.names == ("lab/rootfs:latest",)
    assert found.config == {"Cmd": ["/bin/sh"]}
    assert found.layers == (digests.of(ROOTFS),)
    assert [line.comment for line in verbs.history("lab/rootfs")] == ["mine"]
    image = verbs.store.get("lab/rootfs")
    with verbs.store.blobs.open(image.layers[0]) as stream:
        assert stream.read() in (archive, ROOTFS)
    tree = Layers(verbs.store.home).ensure(image)[0]
    assert (tree / "etc" / "passwd").read_bytes() == b"root:x:0:0::/:/bin/sh\n"


def test_an_import_may_have_no_name_and_another_platform(verbs: EmbeddedImages) -> None:
    found = verbs.import_rootfs(io.BytesIO(ROOTFS), "", {"platform": "linux/arm/v6"})
    assert found.dangling
    assert found.platform == "linux/arm/v6"


@pytest.mark.parametrize(
    ("data", "config", "name", "error", "said"),
    [
        (b"", {}, "x", InvalidInput, "empty"),
        (bytes(10240), {}, "x", InvalidInput, "empty"),
        (b"hello" * 1000, {}, "x", CorruptContent, "not a tar archive"),
        (ROOTFS[:700], {}, "x", CorruptContent, "cut off"),
        (gzip.compress(ROOTFS)[:-9], {}, "x", CorruptContent, "cut off"),
        (ROOTFS, {}, "Not A Name", InvalidInput, "not an image name"),
        (ROOTFS, {"Cmmd": []}, "x", InvalidInput, "did you mean Cmd"),
        (ROOTFS, {"platform": "linux/a b"}, "x", InvalidInput, "not a platform"),
    ],
)
def test_a_wrong_import_is_said_and_leaves_nothing(
    verbs: EmbeddedImages, data: bytes, config: dict[str, object], name: str, error: type[LabError], said: str
) -> None:
    with pytest.raises(error, match=said):
        verbs.import_rootfs(io.BytesIO(data), name, config)
    assert verbs.images() == []
    assert list(verbs.store.blobs.digests()) == []
    assert os.listdir(verbs.store.home.temporary) == []


# --- in and out


def test_archives_and_directories(verbs: EmbeddedImages, tmp_path: Path) -> None:
    pictures.put(verbs.store, "lab/base", "a")
    output = io.BytesIO()
    verbs.save(["lab/base"], output)
    verbs.save_directory(["lab/base"], str(tmp_path / "layout"))
    verbs.remove_image("lab/base")
    output.seek(0)
    assert verbs.load(output) == ["lab/base:latest"]
    verbs.remove_image("lab/base")
    assert verbs.load_directory(str(tmp_path / "layout")) == ["lab/base:latest"]


def test_an_image_of_host_programs(verbs: EmbeddedImages) -> None:
    found = verbs.from_host("lab/tiny", ["true"])
    assert found.names == ("lab/tiny:latest",)
    assert len(found.layers) == 1
    tree = Layers(verbs.store.home).ensure(verbs.store.get("lab/tiny"))[0]
    assert any(path.name == "true" for path in tree.rglob("true"))
    with pytest.raises(NotFound, match="no-such-program"):
        verbs.from_host("lab/none", ["no-such-program"])
    assert [image.names for image in verbs.images()] == [("lab/tiny:latest",)]


def test_the_same_host_gives_the_same_image(verbs: EmbeddedImages, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1000000000")
    assert verbs.from_host("one", ["true"]).digest == verbs.from_host("two", ["true"]).digest


def test_a_wrong_release_leaves_nothing(verbs: EmbeddedImages) -> None:
    for name, suite, options in (
        ("x", "no/such", {}),
        ("Not A Name", "bookworm", {}),
        ("x", "a", {"include": ["vim"]}),
    ):
        with pytest.raises(LabError):
            verbs.from_debootstrap(name, suite, options)
    assert list(verbs.store.blobs.digests()) == []
    assert os.listdir(verbs.store.home.temporary) == []


# --- taking away


def test_removing_the_last_image_removes_its_unpacked_layers(verbs: EmbeddedImages) -> None:
    pictures.put(verbs.store, "one", "shared", "a")
    pictures.put(verbs.store, "two", "shared", "b")
    layers = Layers(verbs.store.home)
    for name in ("one", "two"):
        layers.ensure(verbs.store.get(name))
    assert len(layers.unpacked()) == 3
    verbs.remove_image("one")
    assert layers.unpacked() == {each[7:] for each in verbs.image("two").layers}
    verbs.remove_image("two")
    assert layers.unpacked() == set()


def test_what_containers_use_stays(tmp_path: Path) -> None:
    held: list[str] = []
    verbs = EmbeddedImages(
        Home.open(tmp_path / "home"), lambda image_id: ["web"] if held else [], lambda: held
    )
    pictures.put(verbs.store, "one", "a")
    held += verbs.image("one").layers
    Layers(verbs.store.home).ensure(verbs.store.get("one"))
    with pytest.raises(Conflict, match="web"):
        verbs.remove_image("one")
    verbs.remove_image("one", force=True)
    assert verbs.prune_images(every=True).removed == ()
    assert len(os.listdir(verbs.store.home.layers)) == 1
    held.clear()
    pruned = verbs.prune_images()
    assert len(pruned.removed) == 1
    assert pruned.freed_bytes > 0
    assert os.listdir(verbs.store.home.layers) == []
    verbs.store.close()


def test_disk_usage_tells_what_is_shared(verbs: EmbeddedImages) -> None:
    pictures.put(verbs.store, "one", "shared", "a")
    pictures.put(verbs.store, "two", "shared", "b")
    shared = verbs.store.get("one").layers[0].size
    sizes = verbs.image_sizes()
    assert [each.all_bytes - each.written_bytes for each in sizes.values()] == [shared, shared]
    assert verbs.images_bytes(sizes) == sum(each.all_bytes for each in sizes.values()) - shared
    assert all(each.written_bytes > 0 for each in sizes.values())
