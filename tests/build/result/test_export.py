"""What was built becomes an image: its documents, its layers, its annotations."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from containerlab.build.result.annotations import parse
from containerlab.build.result.export import ExportOptions, to_store
from containerlab.build.result.recompress import LayerForm
from containerlab.errors import InvalidInput
from containerlab.oci import image as documents
from containerlab.oci.image import Descriptor, Index, Manifest
from containerlab.oci.platform import Platform
from containerlab.store.images import Images
from containerlab.store.layer_reader import layer_reader
from tests.build import made
from tests.store.tars import archive, entry

FILES = archive(entry("f", content=b"content", mtime=2_000_000_000))
OTHER = archive(entry("g", content=b"other", mtime=1))


def manifest(images: Images, descriptor: Descriptor) -> Manifest:
    found = documents.decode_document(images.blobs.read(descriptor.digest))
    assert isinstance(found, Manifest)
    return found


def index(images: Images, descriptor: Descriptor) -> Index:
    found = documents.decode_document(images.blobs.read(descriptor.digest))
    assert isinstance(found, Index)
    return found


def annotated(*texts: str) -> ExportOptions:
    return ExportOptions(annotations=tuple(each for text in texts for each in parse(text)))


def test_every_name_leads_to_the_image(images: Images) -> None:
    built = made.built(made.layer(images, FILES))
    descriptor = to_store(images, [built], ["lab/a", "lab/a:two"])
    assert descriptor.media_type == documents.OCI_MANIFEST
    assert images.get("lab/a").descriptor == images.get("lab/a:two").descriptor
    assert images.get("lab/a").config == built.config
    assert images.get("lab/a").layers == tuple(layer.descriptor for layer in built.layers)


def test_what_docker_knows_beyond_oci_stays_in_the_configuration(images: Images) -> None:
    to_store(images, [made.built(made.layer(images, FILES))], ["a"])
    config = json.loads(images.get("a").config_raw)["config"]
    assert config["Shell"] == ["/bin/sh", "-ec"]
    assert config["OnBuild"] == ["RUN true"]
    assert config["Healthcheck"] == {"Test": ["CMD", "true"], "Interval": 10**9}


def test_an_image_without_layers(images: Images) -> None:
    to_store(images, [made.built()], ["empty"])
    assert images.get("empty").layers == ()


def test_several_platforms_make_an_index(images: Images) -> None:
    layer = made.layer(images, FILES)
    two = [made.built(layer, platform=each) for each in ("linux/amd64", "linux/arm64")]
    descriptor = to_store(images, two, ["both"])
    assert descriptor.media_type == documents.OCI_INDEX
    assert [each.platform for each in index(images, descriptor).manifests] == [each.platform for each in two]
    assert images.get("both", "linux/arm64").config.architecture == "arm64"


def test_annotations_go_where_they_say(images: Images) -> None:
    layer = made.layer(images, FILES)
    two = [made.built(layer, platform=each) for each in ("linux/amd64", "linux/arm64")]
    options = annotated(
        "plain=1",
        "manifest[linux/arm64]:plain=2",
        "index,manifest-descriptor:both=3",
        "index-descriptor:outer=4",
    )
    descriptor = to_store(images, two, ["both"], options)
    found = index(images, descriptor)
    assert descriptor.annotations == {"outer": "4"}
    assert found.annotations == {"both": "3"}
    assert [each.annotations for each in found.manifests] == [{"both": "3"}] * 2
    assert [manifest(images, each).annotations for each in found.manifests] == [
        {"plain": "1"},
        {"plain": "2"},
    ]


def test_annotations_of_an_index_need_one(images: Images) -> None:
    with pytest.raises(InvalidInput, match="an image for one platform has none"):
        to_store(images, [made.built(made.layer(images, FILES))], ["a"], annotated("index:a=b"))


@pytest.mark.parametrize("text", ["", "novalue", "=v", "idex:a=b", "manifest[linux/x/y/z]:a=b", "index:=b"])
def test_a_wrong_annotation_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse(text)


def test_a_colon_in_the_value_is_part_of_it() -> None:
    assert [(each.key, each.value) for each in parse("url=https://example.com/?a=b")] == [
        ("url", "https://example.com/?a=b")
    ]


@pytest.mark.parametrize(("compression", "ending"), [("zstd", "+zstd"), ("none", ""), ("gzip", "+gzip")])
def test_new_layers_are_compressed_anew(images: Images, compression: str, ending: str) -> None:
    built = made.built(made.layer(images, OTHER), made.layer(images, FILES), base_layers=1)
    to_store(images, [built], ["a"], ExportOptions(form=LayerForm(compression=compression)))
    base, new = images.get("a").layers
    assert base == built.layers[0].descriptor
    assert new.media_type == documents.OCI_LAYER + ending
    assert images.get("a").diff_ids == built.config.rootfs.diff_ids


def test_forced_compression_takes_the_base_too(images: Images) -> None:
    built = made.built(made.layer(images, OTHER), made.layer(images, FILES), base_layers=1)
    to_store(images, [built], ["a"], ExportOptions(form=LayerForm(compression="zstd", forces=True)))
    assert {layer.media_type for layer in images.get("a").layers} == {documents.OCI_LAYER_ZSTD}


def test_a_level_that_is_none_is_refused(images: Images) -> None:
    built = made.built(made.layer(images, FILES))
    with pytest.raises(InvalidInput, match="no level 40"):
        to_store(images, [built], ["a"], ExportOptions(form=LayerForm(compression="zstd", level=40)))


def test_a_bound_for_times(images: Images) -> None:
    built = made.built(made.layer(images, FILES), made.layer(images, FILES), base_layers=1)
    options = ExportOptions(newest_s=1_000_000_000, form=LayerForm(newest_s=1_000_000_000))
    to_store(images, [built], ["a"], options)
    image = images.get("a")
    assert image.config.created == "2001-09-09T01:46:40Z"
    assert {line.created for line in image.config.history} == {"2001-09-09T01:46:40Z"}
    assert image.layers[0] == built.layers[0].descriptor
    with layer_reader(images.blobs, image.layers[1]) as reader:
        assert [each.mtime_ns for each in reader] == [1_000_000_000 * 10**9]
    assert image.diff_ids[1] != built.config.rootfs.diff_ids[1]


def test_the_same_build_gives_the_same_bytes_in_any_store(images: Images, tmp_path: Path) -> None:
    options = ExportOptions(form=LayerForm(compression="zstd", newest_s=5), newest_s=5)
    first = to_store(images, [made.built(made.layer(images, FILES))], ["a"], options)
    with made.store(tmp_path / "second") as second:
        assert to_store(second, [made.built(made.layer(second, FILES))], ["other"], options) == first


def test_in_the_words_of_docker(images: Images) -> None:
    built = made.built(made.layer(images, FILES), made.layer(images, OTHER, "none"))
    descriptor = to_store(images, [built], ["a"], ExportOptions(oci_types=False))
    assert descriptor.media_type == documents.DOCKER_MANIFEST
    found = manifest(images, descriptor)
    assert found.config.media_type == documents.DOCKER_CONFIG
    assert [each.media_type for each in found.layers] == [documents.DOCKER_LAYER_GZIP, documents.DOCKER_LAYER]


@pytest.mark.system("skopeo")
@pytest.mark.slow
def test_skopeo_reads_the_index(images: Images) -> None:
    layer = made.layer(images, FILES)
    two = [made.built(layer, platform=each) for each in ("linux/amd64", "linux/arm64")]
    to_store(images, two, ["lab/both"], annotated("index:a=b"))
    words = ["skopeo", "inspect", "--override-arch", "arm64", f"oci:{images.home.oci}:lab/both:latest"]
    found = json.loads(subprocess.run(words, check=True, capture_output=True).stdout)
    assert found["Architecture"] == "arm64"
    assert Platform.parse(f"{found['Os']}/{found['Architecture']}") == two[1].platform
