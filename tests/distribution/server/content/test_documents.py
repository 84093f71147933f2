"""Manifests are read without trust: all that is none is refused as that, nothing else is raised."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from containerlab.distribution.server.content import documents
from containerlab.distribution.server.problems import ManifestInvalid, TooLarge
from containerlab.oci import digest as digests
from containerlab.oci.image import (
    DOCKER_INDEX,
    DOCKER_MANIFEST,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_LAYER,
    OCI_MANIFEST,
)

CONFIG = {"mediaType": OCI_CONFIG, "digest": digests.of(b"{}"), "size": 2}
LAYER = {"mediaType": OCI_LAYER, "digest": digests.of(b"layer"), "size": 5}
IMAGE: dict[str, Any] = {"schemaVersion": 2, "config": CONFIG, "layers": [LAYER]}
CHILD = {"mediaType": OCI_MANIFEST, "digest": digests.of(b"child"), "size": 5}
INDEX: dict[str, Any] = {"schemaVersion": 2, "manifests": [CHILD]}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def read(fields: object, media_type: str = "") -> documents.Document:
    return documents.read(json.dumps(fields).encode(), media_type)


def test_an_image_needs_its_layers_and_its_configuration() -> None:
    found = read(IMAGE, OCI_MANIFEST)
    assert [(part.kind, part.digest) for part in found.parts] == [
        ("layer", LAYER["digest"]),
        ("config", CONFIG["digest"]),
    ]
    assert found.artifact_type == OCI_CONFIG


def test_a_layer_that_comes_twice_is_needed_once() -> None:
    assert len(read({**IMAGE, "layers": [LAYER, LAYER]}).parts) == 2


def test_an_index_needs_its_manifests_and_has_no_type_of_its_own() -> None:
    found = read(INDEX)
    assert [(part.kind, part.digest) for part in found.parts] == [("manifest", CHILD["digest"])]
    assert (found.media_type, found.artifact_type) == (OCI_INDEX, "")


def test_what_lies_elsewhere_may_be_missing() -> None:
    foreign = {**LAYER, "mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"}
    linked = {**LAYER, "digest": digests.of(b"2"), "urls": ["https://a/b"]}
    found = read({**IMAGE, "layers": [foreign, linked]})
    assert [part.is_elsewhere for part in found.parts] == [True, True, False]


@pytest.mark.parametrize("nothing", ["layers", "annotations", "subject", "artifactType", "mediaType"])
def test_null_is_nothing_as_go_writes_it(nothing: str) -> None:
    assert read({**IMAGE, nothing: None}).media_type == OCI_MANIFEST


@pytest.mark.parametrize(
    ("fields", "content_type", "found"),
    [
        (IMAGE, "", OCI_MANIFEST),
        (IMAGE, DOCKER_MANIFEST, DOCKER_MANIFEST),
        ({**IMAGE, "mediaType": DOCKER_MANIFEST}, "application/json", DOCKER_MANIFEST),
        (IMAGE, f"{OCI_MANIFEST}; charset=utf-8", OCI_MANIFEST),
        (IMAGE, OCI_MANIFEST.upper(), OCI_MANIFEST),
        ({**INDEX, "mediaType": DOCKER_INDEX}, DOCKER_INDEX, DOCKER_INDEX),
        ({"schemaVersion": 2, "manifests": None}, "", OCI_INDEX),
    ],
)
def test_the_type_is_what_header_and_manifest_agree_on(fields: object, content_type: str, found: str) -> None:
    assert read(fields, content_type).media_type == found


@pytest.mark.parametrize(
    ("fields", "content_type"),
    [
        ({**IMAGE, "mediaType": OCI_INDEX}, OCI_MANIFEST),
        ({**IMAGE, "mediaType": OCI_MANIFEST}, DOCKER_MANIFEST),
        (IMAGE, OCI_INDEX),
        (INDEX, OCI_MANIFEST),
        (IMAGE, "text/html"),
        ({**IMAGE, "mediaType": "nonsense"}, ""),
        ({**IMAGE, "schemaVersion": 1}, ""),
        ({**IMAGE, "manifests": [CHILD]}, ""),
        ({"schemaVersion": 2, "layers": [LAYER]}, ""),
        ({**IMAGE, "config": {**CONFIG, "size": 10**40}}, ""),
        ({**IMAGE, "config": {**CONFIG, "size": -1}}, ""),
        ({**IMAGE, "layers": [{**LAYER, "digest": "sha256:../x"}]}, ""),
        ({**IMAGE, "artifactType": "x" * 256}, ""),
        ({**IMAGE, "annotations": {"a": "\ud800"}}, ""),
        ({**IMAGE, "artifactType": "\ud800"}, ""),
    ],
)
def test_what_contradicts_itself_is_refused(fields: object, content_type: str) -> None:
    with pytest.raises(ManifestInvalid):
        read(fields, content_type)


@pytest.mark.parametrize("raw", [b"[" * 200_000, b'{"config":' * 100_000, b"", b"null", b"\xff", b"{}{}"])
def test_what_is_no_document_is_refused(raw: bytes) -> None:
    with pytest.raises(ManifestInvalid):
        documents.read(raw, OCI_MANIFEST)


def test_what_is_too_large_is_refused_and_the_largest_is_not() -> None:
    padding = documents.MAX_BYTES - len(json.dumps({**IMAGE, "x": ""}))
    assert read({**IMAGE, "x": "x" * padding})
    with pytest.raises(TooLarge):
        read({**IMAGE, "x": "x" * (padding + 1)})


@given(st.dictionaries(st.sampled_from([*IMAGE, *INDEX, "subject", "annotations", "mediaType"]), JSON))
def test_any_change_of_a_manifest_is_read_or_refused(changes: dict[str, object]) -> None:
    try:
        found = read({**IMAGE, **changes})
    except ManifestInvalid:
        return
    for part in found.parts:  # all that reaches the database is text and numbers that it takes
        digests.parse(part.digest)
    msgspec.json.encode((found.artifact_type, found.annotations, found.subject))


@given(st.binary(max_size=200), st.text(max_size=40))
def test_any_bytes_are_read_or_refused(raw: bytes, content_type: str) -> None:
    try:
        documents.read(raw, content_type)
    except ManifestInvalid:
        return
