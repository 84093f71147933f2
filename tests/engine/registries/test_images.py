"""What registries have, seen and changed without pulling it; manifest lists.

At Debian's registry and at ours.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from containerlab.engine.engine import Engine
from containerlab.errors import AlreadyExists, InvalidInput, NotFound, Unsupported
from containerlab.oci import digest as digests
from containerlab.oci.image import Descriptor
from tests import registries
from tests.image_layouts import Layout

pytestmark = [pytest.mark.system("skopeo"), pytest.mark.slow]


@pytest.fixture(scope="module")
def layout(base: Path) -> Layout:
    return Layout(base / "lists" / "layout")


@pytest.fixture(scope="module")
def amd(layout: Layout) -> Descriptor:
    return layout.image(layers=2)


@pytest.fixture(scope="module")
def arm(layout: Layout) -> Descriptor:
    return layout.image(layers=2, architecture="arm64")


@pytest.fixture(scope="module", params=["debian", "ours"])
def registry(
    request: pytest.FixtureRequest, base: Path, layout: Layout, amd: Descriptor, arm: Descriptor
) -> Iterator[registries.Registry]:
    """Yield a registry with lab/app in three tags: amd, arm, and both as an index."""
    folder = base / "lists" / request.param
    start = registries.debian if request.param == "debian" else registries.ours
    index = layout.index({"amd64": amd, "arm64": arm})
    with start(folder, auth="none") as found:
        for tag, descriptor in {"amd": amd, "arm": arm, "both": index}.items():
            source = layout.tag(tag, descriptor)
            words = ["skopeo", "copy", "--all", "--quiet", "--dest-tls-verify=false", source]
            subprocess.run([*words, f"docker://{found.host}/lab/app:{tag}"], check=True)
        yield found


@pytest.fixture(scope="module")
def engine(base: Path) -> Iterator[Engine]:
    with Engine(base / "lists" / "home") as engine:
        yield engine


def test_the_catalogue_is_searched(engine: Engine, registry: registries.Registry) -> None:
    assert [found.name for found in engine.registry.search(f"{registry.host}/")] == [
        f"{registry.host}/lab/app"
    ]
    assert len(engine.registry.search(f"{registry.host}/ap")) == 1
    assert len(engine.registry.search(f"{registry.host}/no-such")) == 0


@pytest.mark.parametrize("term", ["", " ", "docker.io/", "docker.io/ "])
def test_a_search_for_nothing_is_refused(engine: Engine, term: str) -> None:
    with pytest.raises(InvalidInput):
        engine.registry.search(term)


def test_tags_are_listed_filtered_and_described(
    engine: Engine, registry: registries.Registry, amd: Descriptor
) -> None:
    name = f"{registry.host}/lab/app"
    assert [tag.name for tag in engine.registry.tags(name)] == ["amd", "arm", "both"]
    assert [tag.name for tag in engine.registry.tags(name, filter="a*", limit=1)] == ["amd"]
    found = {tag.name: tag for tag in engine.registry.tags(name, long=True)}
    assert (found["amd"].digest, found["amd"].size_bytes) == (amd.digest, amd.size)
    assert "index" in engine.registry.tags(name, long=True).to_text()


def test_tags_of_what_is_not_there_are_not_found(engine: Engine, registry: registries.Registry) -> None:
    with pytest.raises(NotFound):
        engine.registry.tags(f"{registry.host}/lab/no-such")


def test_an_image_is_described_without_its_layers(
    engine: Engine, registry: registries.Registry, layout: Layout, arm: Descriptor
) -> None:
    document = engine.registry.inspect(f"{registry.host}/lab/app:both", platform="linux/arm64")[0]
    assert document["Architecture"] == "arm64"
    assert document["Manifest"] == arm.digest
    assert [each["Platform"] for each in document["Platforms"]] == ["linux/amd64", "linux/arm64"]
    manifest = json.loads(layout.read(arm.digest))
    assert document["Size"] == sum(layer["size"] for layer in manifest["layers"])
    assert document["Cmd"] == ["cat", "/hello"]


def test_the_configuration_and_the_raw_manifest_are_shown(
    engine: Engine, registry: registries.Registry, layout: Layout, amd: Descriptor
) -> None:
    name = f"{registry.host}/lab/app:amd"
    assert engine.registry.raw(name) == layout.read(amd.digest)
    config = engine.registry.inspect(name, config=True)[0]
    assert config["rootfs"]["type"] == "layers"
    assert (
        digests.of(engine.registry.raw(name, config=True))
        == json.loads(layout.read(amd.digest))["config"]["digest"]
    )


def test_a_platform_that_is_not_there_is_named_with_those_that_are(
    engine: Engine, registry: registries.Registry
) -> None:
    with pytest.raises(NotFound, match=r"linux/s390x.*linux/amd64, linux/arm64"):
        engine.registry.inspect(f"{registry.host}/lab/app:both", platform="linux/s390x")


def test_an_image_is_copied_whole_or_for_one_platform(
    engine: Engine, registry: registries.Registry, amd: Descriptor
) -> None:
    source = f"{registry.host}/lab/app:both"
    whole = engine.registry.copy(source, f"{registry.host}/lab/copied")
    assert engine.registry.raw(f"{registry.host}/lab/copied:both") == engine.registry.raw(source)
    assert whole.startswith(f"{registry.host}/lab/copied:both@sha256:")
    one = engine.registry.copy(source, f"{registry.host}/lab/copied:one", platform="linux/amd64")
    assert one.endswith(amd.digest)


def test_a_tag_or_an_image_is_deleted(engine: Engine, registry: registries.Registry, amd: Descriptor) -> None:
    name = f"{registry.host}/lab/doomed"
    for tag in ("one", "two"):
        engine.registry.copy(f"{registry.host}/lab/app:amd", f"{name}:{tag}")
    if registry.kind == "ours":
        assert engine.registry.delete(f"{name}:one") == (f"Deleted: {name}:one",)
        assert [tag.name for tag in engine.registry.tags(name)] == ["two"]
    else:
        with pytest.raises(Unsupported, match="--manifest"):
            engine.registry.delete(f"{name}:one")
    engine.registry.delete(f"{name}:two", manifest=True)
    with pytest.raises(NotFound):
        engine.registry.inspect(f"{name}:two")
    with pytest.raises(NotFound):
        engine.registry.delete(f"{name}@{amd.digest}")


def test_what_to_delete_must_be_said(engine: Engine, registry: registries.Registry) -> None:
    with pytest.raises(InvalidInput, match="neither a tag nor a digest"):
        engine.registry.delete(f"{registry.host}/lab/app")
    with pytest.raises(NotFound, match="registry tags"):
        engine.registry.delete(f"{registry.host}/lab/app:no-such")


def test_a_list_is_made_of_remote_images_and_pushed(
    engine: Engine, registry: registries.Registry, amd: Descriptor, arm: Descriptor
) -> None:
    source, name = f"{registry.host}/lab/app", f"{registry.host}/lab/list:1"
    assert engine.manifests.create(name, f"{source}:amd", f"{source}:arm") == name
    assert [each.descriptor.digest for each in engine.manifests.entries(name)] == [amd.digest, arm.digest]
    engine.manifests.annotate(name, f"{source}:arm", variant="v8")
    digest = engine.manifests.push(name, purge=True)
    raw = engine.registry.raw(name)
    assert digests.of(raw) == digest
    assert [each["platform"] for each in json.loads(raw)["manifests"]] == [
        {"architecture": "amd64", "os": "linux"},
        {"architecture": "arm64", "os": "linux", "variant": "v8"},
    ]
    assert len(engine.manifests.list()) == 0
    assert engine.registry.inspect(name, platform="linux/amd64")[0]["Manifest"] == amd.digest


def test_a_list_is_made_of_images_of_the_store(
    engine: Engine, registry: registries.Registry, layout: Layout, amd: Descriptor
) -> None:
    engine.images.load(input=str(layout.folder))
    name = f"{registry.host}/lab/stored"
    engine.manifests.create(name, "amd", annotation={"org.opencontainers.image.title": "stored"})
    engine.manifests.add(name, f"{registry.host}/lab/app:both")
    assert len(engine.manifests.entries(name)) == 2  # that for amd64 is the same one
    engine.manifests.push(name)
    document = engine.manifests.inspect(name)
    assert document["annotations"] == {"org.opencontainers.image.title": "stored"}
    engine.manifests.remove(name)
    assert engine.manifests.inspect(name).documents == document.documents
    verbose = engine.manifests.inspect(name, verbose=True)
    assert verbose[0]["Descriptor"]["digest"] == amd.digest


def test_what_a_list_lacks_is_said(engine: Engine, registry: registries.Registry) -> None:
    name = f"{registry.host}/lab/empty"
    engine.manifests.create(name)
    with pytest.raises(AlreadyExists, match="--amend"):
        engine.manifests.create(name)
    with pytest.raises(InvalidInput, match="manifest add"):
        engine.manifests.push(name)
    with pytest.raises(NotFound, match="manifest entries"):
        engine.manifests.annotate(name, f"{registry.host}/lab/app:amd", os="linux")
    engine.manifests.add(name, f"{registry.host}/lab/app:amd")
    engine.manifests.annotate(name, f"{registry.host}/lab/app:amd", arch="", os="")
    with pytest.raises(InvalidInput, match="manifest annotate"):
        engine.manifests.push(name)
    engine.manifests.remove(name)
    with pytest.raises(NotFound):
        engine.manifests.add(name, f"{registry.host}/lab/app:amd")


def test_a_refusal_is_shown_by_a_name_that_can_be_caught(
    engine: Engine, registry: registries.Registry
) -> None:
    with pytest.raises(NotFound) as caught:
        engine.registry.tags(f"{registry.host}/lab/no-such")
    assert caught.value._render_traceback_()[0].startswith("RegistryRefused: ")
