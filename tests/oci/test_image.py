"""Image documents are read strictly and written as the specification's schemas say."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import msgspec
import pytest
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT4

from containerlab.errors import CorruptContent, InvalidInput, Unsupported
from containerlab.oci import changes, image
from containerlab.oci.image import Config, Descriptor, History, ImageConfig, Index, Manifest, RootFS

DIGEST = f"sha256:{'0' * 64}"
SCHEMAS = Path(__file__).parents[3] / "shared" / "data" / "oci" / "image"
CONFIG = ImageConfig(
    created="2026-01-02T03:04:05Z",
    architecture="arm64",
    os="linux",
    variant="v8",
    config=Config(env=("A=1",), cmd=("sh",), exposed_ports={"80/tcp": {}}, labels={"a": "b"}, user="1:2"),
    rootfs=RootFS(diff_ids=(DIGEST,)),
    history=(History(created_by="RUN x", created="2026-01-02T03:04:05Z"), History(empty_layer=True)),
)


def descriptor(media_type: str) -> Descriptor:
    return Descriptor(media_type=media_type, digest=DIGEST, size=3)


MANIFEST = Manifest(
    schema_version=2,
    media_type=image.OCI_MANIFEST,
    config=descriptor(image.OCI_CONFIG),
    layers=(descriptor(image.OCI_LAYER_GZIP),),
)
INDEX = Index(schema_version=2, media_type=image.OCI_INDEX, manifests=(descriptor(image.OCI_MANIFEST),))


@pytest.mark.parametrize(
    ("document", "schema"),
    [
        (MANIFEST, "image-manifest-schema.json"),
        (INDEX, "image-index-schema.json"),
        (CONFIG, "config-schema.json"),
        (ImageConfig(architecture="amd64", os="linux", rootfs=RootFS()), "config-schema.json"),
    ],
)
def test_what_is_written_fits_the_schemas(document: Manifest | Index | ImageConfig, schema: str) -> None:
    if not SCHEMAS.is_dir():
        pytest.skip("the schemas of the image specification are not here")
    files = {path.name: json.loads(path.read_text()) for path in SCHEMAS.glob("*.json")}
    # A "$ref" is relative to the id of the schema that has it, and those ids stand at two levels.
    bases = ("https://opencontainers.org/schema/", "https://opencontainers.org/schema/image/")
    resources = {name: Resource.from_contents(each, DRAFT4) for name, each in files.items()}
    registry = Registry().with_resources(
        [(base + name, r) for base in bases for name, r in resources.items()]
    )
    validator = jsonschema.Draft4Validator(files[schema], registry=registry)
    validator.validate(json.loads(image.encode(document)))


@pytest.mark.parametrize("document", [MANIFEST, INDEX])
def test_documents_survive_a_round_trip(document: Manifest | Index) -> None:
    assert image.decode_document(image.encode(document)) == document


def test_a_configuration_survives_a_round_trip() -> None:
    assert image.decode_config(image.encode(CONFIG)) == CONFIG


def edited(**fields: object) -> bytes:
    return json.dumps({**json.loads(image.encode(MANIFEST)), **fields}).encode()


def test_go_nulls_are_nothing() -> None:
    read = image.decode_document(edited(annotations=None, subject=None))
    assert read == MANIFEST
    raw = (
        b'{"architecture":"a","os":"linux","config":{"Env":null},"rootfs":{"type":"layers","diff_ids":null}}'
    )
    assert image.decode_config(raw) == ImageConfig(architecture="a", os="linux", rootfs=RootFS())


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (edited(manifests=[]), "both layers and manifests"),
        (edited(config={"mediaType": "x", "digest": "sha256:../../x", "size": 1}), "is not a digest"),
        (edited(config={"mediaType": "x", "digest": DIGEST, "size": -1}), "size -1"),
        (edited(config={"mediaType": "x", "digest": DIGEST}), "size"),
        (edited(layers="x"), "layers"),
        (edited(mediaType=image.OCI_INDEX), "is not"),
        (edited(schemaVersion=3), "schema 3"),
        (b"[]", "not a JSON object"),
        (b"{", "not JSON"),
        (b"\xff", "not JSON"),
        (b"[" * 100_000, "JSON"),
        (b" " * (image.MAX_DOCUMENT_BYTES + 1), "more than"),
    ],
)
def test_wrong_manifests_are_refused_with_a_reason(raw: bytes, said: str) -> None:
    with pytest.raises(CorruptContent, match=said):
        image.decode_document(raw)


def test_a_manifest_that_is_not_what_its_descriptor_says_is_refused() -> None:
    with pytest.raises(CorruptContent):
        image.decode_document(image.encode(MANIFEST), image.OCI_INDEX)


def test_schema_1_is_named() -> None:
    with pytest.raises(Unsupported, match="schema 1"):
        image.decode_document(b'{"schemaVersion":1}')


def test_a_derived_configuration_keeps_what_it_does_not_know() -> None:
    base = {
        "architecture": "amd64",
        "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": []},
        "moby.buildkit.buildinfo.v1": "x",
        "container_config": {"Cmd": ["old"]},
        "docker_version": "20",
        "config": {
            "Env": ["OLD=1"],
            "MacAddress": "02",
            "OnBuild": ["RUN x"],
            "Healthcheck": {"Test": ["CMD", "x"]},
        },
    }
    raw = json.dumps(base).encode()
    old = image.decode_config(raw)
    new = msgspec.structs.replace(old, config=changes.merge(old.config, {"Env": ["NEW=1"]}))
    written = json.loads(image.encode_config(new, raw))
    assert written["moby.buildkit.buildinfo.v1"] == "x"
    assert "container_config" not in written
    assert "docker_version" not in written
    assert written["config"] == {**base["config"], "Env": ["OLD=1", "NEW=1"]}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-01T00:00:01Z", 1.0),
        ("1970-01-01T01:00:00+01:00", 0.0),
        ("1970-01-01T00:00:00.123456789Z", 0.123456),
        ("0001-01-01T00:00:00Z", None),
        ("yesterday", None),
        (None, None),
    ],
)
def test_times(text: str | None, seconds: float | None) -> None:
    assert image.parse_time(text) == seconds


def test_docker_layers_get_their_oci_name() -> None:
    found = image.as_oci_layer(descriptor(image.DOCKER_LAYER_GZIP))
    assert found.media_type == image.OCI_LAYER_GZIP
    assert image.is_layer(found.media_type)


def test_changes_add_up_and_an_entry_point_drops_the_command() -> None:
    config = Config(cmd=("old",), labels={"a": "1"}, env=("A=1", "B=2"))
    merged = changes.merge(config, {"Entrypoint": ["e"], "Labels": {"b": "2"}, "Env": ["A=3"]})
    assert merged == Config(entrypoint=("e",), labels={"a": "1", "b": "2"}, env=("A=3", "B=2"))
    assert changes.merge(config, {"Entrypoint": ["e"], "Cmd": ["c"]}).cmd == ("c",)


@pytest.mark.parametrize(("fields", "said"), [({"Entrypont": []}, "Entrypoint"), ({"Env": "x"}, "Env")])
def test_wrong_changes_are_named(fields: dict[str, object], said: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        changes.merge(Config(), fields)
    assert said in str(caught.value)
