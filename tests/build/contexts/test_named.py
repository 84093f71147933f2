"""What --build-context calls by a name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from containerlab import errors
from containerlab.build.contexts.named import NamedContexts
from containerlab.build.files.selection import Source
from containerlab.build.result.export import ExportOptions, to_store
from containerlab.oci.platform import Platform
from containerlab.store import archives
from containerlab.store.images import Image, Images
from tests.build import made
from tests.build.layers_of_copy import make
from tests.store.tars import archive, entry


def of(images: Images, platform: str = "linux/amd64", **given: object) -> dict[str, Image | Source]:
    def find(name: str, platform: Platform) -> Image:
        return images.get(name, str(platform))

    with NamedContexts([(name, str(place)) for name, place in given.items()], images, find) as named:
        return named.of(Platform.parse(platform))


def test_folders(images: Images, tmp_path: Path) -> None:
    root = make(tmp_path / "c", {"f": "", ".dockerignore": "g"})
    assert of(images, Other=root) == {"other": Source((str(root),), ("g",), is_context=True)}


def test_images(images: Images) -> None:
    to_store(images, [made.built(made.layer(images, archive(entry("f"))))], ["lab/x"])
    assert of(images, base="docker-image://lab/x") == {"base": images.get("lab/x")}
    with pytest.raises(errors.NotFound):
        of(images, base="docker-image://lab/none")


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    """Return a layout with two images of a tag each, the first of which is of two platforms."""
    with made.store(tmp_path / "other") as other:
        layers = [made.layer(other, archive(entry("f", content=text))) for text in (b"1", b"2", b"3")]
        both = [made.built(layers[0]), made.built(layers[1], platform="linux/arm64")]
        to_store(other, both, ["lab/x:one"], ExportOptions())
        to_store(other, [made.built(layers[2])], ["lab/x:two"])
        archives.save_directory(other, ["lab/x:one", "lab/x:two"], tmp_path / "layout:dir")
    return tmp_path / "layout:dir"


def chosen(images: Images, place: str, platform: str = "linux/amd64") -> tuple[Any, ...]:
    image = of(images, platform, base=f"oci-layout://{place}")["base"]
    assert isinstance(image, Image)
    return image.diff_ids, image.config.architecture, image.descriptor.digest


def test_layouts(images: Images, layout: Path) -> None:
    one, two = chosen(images, f"{layout}:one"), chosen(images, f"{layout}:two")
    assert one != two
    assert chosen(images, f"{layout}:one", "linux/arm64")[1] == "arm64"
    assert chosen(images, f"{layout}@{two[2]}") == two
    assert chosen(images, f"{layout}:two@{two[2]}") == two
    assert images.names() == ()


@pytest.mark.parametrize("rest", ["", ":none", f"@sha256:{'0' * 64}", "@sha256:12", "/nowhere"])
def test_what_a_layout_has_not(images: Images, layout: Path, rest: str) -> None:
    with pytest.raises((errors.NotFound, errors.InvalidInput)):
        chosen(images, f"{layout}{rest}")


def test_names_without_a_source_and_targets(images: Images) -> None:
    with pytest.raises(errors.InvalidInput, match="lacks a part"):
        of(images, base="")
    with pytest.raises(errors.Unsupported, match="bake"):
        of(images, base="target:x")
    with pytest.raises(errors.NotFound, match="no folder"):
        of(images, base="/nonexistent/folder")
