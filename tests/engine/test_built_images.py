"""What a whole build hands out: attestations, one layer of several, archives; the same bytes every time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from containerlab.engine.engine import Engine
from containerlab.errors import LabError
from containerlab.oci import image as documents
from containerlab.oci.image import Index, Manifest
from containerlab.store.home import Home
from containerlab.store.images import Images
from tests.store.tars import archive, entry

SECRET = "open-sesame-2026"
METADATA = b"Name: lab-tool\nVersion: 1.5\nLicense: MIT\n"


@pytest.fixture
def context(tmp_path: Path) -> Path:
    """Return a folder whose Dockerfile needs no container."""
    folder = tmp_path / "context"
    (folder / "lib/lab_tool-1.5.dist-info").mkdir(parents=True)
    (folder / "lib/lab_tool-1.5.dist-info/METADATA").write_bytes(METADATA)
    (folder / "leak").write_text(SECRET)
    (folder / "Dockerfile").write_text(
        "FROM scratch\nARG TOKEN\nARG VERSION\nLABEL v=$VERSION\n"
        "COPY lib /lib\nCOPY leak /key\nCOPY Dockerfile /key\n"
    )
    return folder


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """Yield an engine on an empty home."""
    found = Engine(tmp_path / "home")
    yield found
    found.close()


def blobs(home: Path) -> bytes:
    return b"".join(path.read_bytes() for path in (home / "oci/blobs/sha256").iterdir())


def statements(home: Path, name: str) -> list[dict[str, object]]:
    """Return what is stated of an image, through the index that its name leads to."""
    images = Images(Home.open(home))
    index = documents.decode_document(images.blobs.read(images.get(name).descriptor.digest))
    assert isinstance(index, Index)
    manifest = documents.decode_document(images.blobs.read(index.manifests[-1].digest))
    assert isinstance(manifest, Manifest)
    found = [json.loads(images.blobs.read(layer.digest)) for layer in manifest.layers]
    images.close()
    return found


def test_statements_of_a_build(engine: Engine, context: Path, tmp_path: Path) -> None:
    engine.builder.build(
        str(context),
        tag=["app"],
        sbom=True,
        provenance="mode=max",
        allow_secret_in_layer=True,  # its context has the value in a file
        build_arg=[f"TOKEN={SECRET}", "VERSION=7"],
        metadata_file=str(tmp_path / "metadata"),
        output=["type=image,compression=none"],
    )
    bill, how = statements(tmp_path / "home", "app")
    assert [each["name"] for each in bill["predicate"]["packages"]] == ["app", "lab-tool"]  # type: ignore[index]
    arguments = how["predicate"]["invocation"]["parameters"]["args"]  # type: ignore[index]
    assert arguments["build-arg:TOKEN"] == "<redacted>"
    assert arguments["build-arg:VERSION"] == "7"
    told = json.loads((tmp_path / "metadata").read_bytes())["buildx.build.provenance"]
    assert told["metadata"]["buildInvocationID"] == how["predicate"]["metadata"]["buildInvocationID"]  # type: ignore[index]
    assert SECRET not in json.dumps([bill, how])
    assert [each.name for each in engine.images.sbom("app")] == ["lab-tool"]


def test_a_squashed_build_has_nothing_of_what_it_wrote_over(
    engine: Engine, context: Path, tmp_path: Path
) -> None:
    engine.builder.build(str(context), tag=["app"], output=["type=oci,compression=none,dest=/dev/null"])
    engine.builder.build(str(context), tag=["app"], squash=True, compression="none")
    images = Images(Home.open(tmp_path / "home"))
    image = images.get("app")
    (layer,) = image.layers
    assert SECRET.encode() not in images.blobs.path(layer.digest).read_bytes()
    assert b"COPY leak" in images.blobs.path(layer.digest).read_bytes()
    images.close()


def test_two_builds_in_two_homes_give_the_same_index(
    context: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    digests = set()
    for home in ("one", "two"):
        engine = Engine(tmp_path / home)
        built = engine.builder.build(
            str(context),
            tag=["app"],
            sbom=True,
            provenance="mode=max",
            output=["type=image,rewrite-timestamp=true"],
        )
        digests.add(built.record.digest)
        engine.close()
    assert len(digests) == 1
    for name in ("one", "two"):
        assert b"2023-11-14T22:13:20Z" in blobs(tmp_path / name)


def test_a_build_that_is_all_cached_gives_the_same_image(
    engine: Engine, context: Path, tmp_path: Path
) -> None:
    only_words = "FROM lab/first\nENV A=1\n"
    first = engine.builder.build(str(context), tag="lab/first")
    assert engine.builder.build(str(context)).id == first.id
    assert len({engine.builder.build(dockerfile=only_words).id for _ in range(2)}) == 1
    assert engine.builder.build(str(context), no_cache=True).id != first.id


def test_a_build_argument_that_nothing_takes_is_told(engine: Engine, context: Path) -> None:
    given = ["VERSON=1", "HTTPS_PROXY=http://p", "SOURCE_DATE_EPOCH=1", "VERSION=2"]
    made = engine.builder.build(str(context), build_arg=given)
    assert made.notices == ("no ARG takes --build-arg VERSON (did you mean VERSION?)",)


def test_packages_are_of_the_name_that_was_asked_for(engine: Engine, context: Path) -> None:
    (context / "Dockerfile").write_text("FROM scratch\nCOPY leak /\n")
    engine.builder.build(str(context), tag=["one", "two"])
    assert engine.images.sbom("two").to_text() == "two:latest: no packages found"


def test_a_carried_cache_gives_the_same_image_elsewhere(
    engine: Engine, context: Path, tmp_path: Path
) -> None:
    first = engine.builder.build(str(context), cache_to=str(tmp_path / "cache"))
    with Engine(tmp_path / "elsewhere") as other:
        assert other.builder.build(str(context), cache_from=str(tmp_path / "cache")).id == first.id


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"tag": "Bad Name"}, "not an image name"),
        ({"file": "Dockerfile", "dockerfile": "FROM scratch"}, "beside the text of a Dockerfile"),
        ({"output": "type=image,name=BAD"}, "not an image name"),
        ({"cache_to": "type=gha,scope=x"}, "cache of type gha"),
        ({"cache_from": "type=gha"}, "cache of type gha"),
    ],
)
def test_what_cannot_be_at_the_end_is_refused_at_the_start(
    engine: Engine, context: Path, options: dict[str, str], told: str
) -> None:
    with pytest.raises(LabError, match=told):
        engine.builder.build(str(context), **options)  # type: ignore[arg-type]
    assert not engine.builder.usage()


def test_all_names_of_an_image_are_told(engine: Engine, context: Path) -> None:
    made = engine.builder.build(str(context), tag=["a", "b"], output="type=image,name=c")
    assert made.names == ("a", "b", "c")
    assert made.to_text().startswith("a, b, c · built in ")
    assert engine.builder.build(str(context), output="type=cacheonly").to_text().startswith("no image · ")


def test_several_platforms_from_one_build(engine: Engine, context: Path, tmp_path: Path) -> None:
    engine.builder.build(str(context), tag=["app"], platform=["linux/amd64,linux/arm64"], provenance=True)
    images = Images(Home.open(tmp_path / "home"))
    index = documents.decode_document(images.blobs.read(images.get("app").descriptor.digest))
    assert isinstance(index, Index)
    assert [str(each.platform) for each in index.manifests] == [
        "linux/amd64",
        "linux/arm64",
        "unknown/unknown",
        "unknown/unknown",
    ]
    images.close()


def test_packages_as_documents(engine: Engine, context: Path) -> None:
    engine.builder.build(str(context), tag=["app"])
    table = engine.images.sbom("app")
    assert "lab-tool" in table.to_text()
    assert json.loads(table.document())["spdxVersion"] == "SPDX-2.3"
    assert (
        json.loads(engine.images.sbom("app", format="cyclonedx-json").to_text())["bomFormat"] == "CycloneDX"
    )
    assert len(table.to_frame()) == 1


def test_a_step_for_a_processor_that_is_not_here(engine: Engine, tmp_path: Path) -> None:
    """Its base image may be there, but nothing runs its programs."""
    (tmp_path / "base.tar").write_bytes(archive(entry("bin/sh", content=b"\x7fELF")))
    engine.images.import_(str(tmp_path / "base.tar"), "foreign", platform="linux/s390x")
    with pytest.raises(LabError, match="programs for linux/s390x do not run on this"):
        engine.builder.build(dockerfile="FROM foreign\nRUN true", platform=["linux/s390x"])
    engine.builder.build(dockerfile="FROM foreign\nLABEL a=b", platform=["linux/s390x"], tag=["made"])
