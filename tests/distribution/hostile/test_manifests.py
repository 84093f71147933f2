"""Section 6: manifests that are none."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from containerlab.oci import digest as digests
from tests.distribution import documents
from tests.distribution.documents import EMPTY, OCI_INDEX, OCI_MANIFEST, descriptor, encode, image
from tests.distribution.wire import Repository

pytestmark = pytest.mark.slow

GOOD = descriptor(EMPTY)
NONE = {
    "empty": b"",
    "null": b"null",
    "list": b"[]",
    "number": b"2",
    "text": b'"schemaVersion"',
    "cut": image()[:-20],
    "binary": bytes(range(256)),
    "two": image() + image(),
    "xml": b"<?xml version='1.0'?><manifest/>",
    "object": b"{}",
    "bom": b"\xef\xbb\xbf" + image(),
    "utf-16": image().decode().encode("utf-16"),
    "not-utf-8": image().replace(b"schemaVersion", b"schema\xffersion"),
    "nan": image().replace(b"2,", b"NaN,", 1),
    "version": image(schemaVersion=1),
    "version-text": image(schemaVersion="2"),
    "version-large": image(schemaVersion=10**40),
    "no-version": encode({"mediaType": OCI_MANIFEST, "config": GOOD, "layers": []}),
    "no-config": encode({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "layers": []}),
    "config-list": image(config=[]),
    "config-null": image(config=None),
    "layers-object": image(layers={}),
    "layers-text": image(layers="x"),
    "layer-null": image(layers=[None]),
    "layer-text": image(layers=["sha256:" + "0" * 64]),
    "size-negative": image(config={**GOOD, "size": -1}),
    "size-large": image(config={**GOOD, "size": 10**40}),
    "size-text": image(config={**GOOD, "size": "2"}),
    "size-fraction": image(config={**GOOD, "size": 2.5}),
    "digest-path": image(config={**GOOD, "digest": "sha256:../x"}),
    "digest-path-layer": image(layers=[{**GOOD, "digest": "../../../../etc/passwd"}]),
    "digest-short": image(config={**GOOD, "digest": "sha256:abc"}),
    "digest-capitals": image(config={**GOOD, "digest": GOOD["digest"].upper()}),
    "digest-null": image(config={**GOOD, "digest": None}),
    "no-digest": image(config={"mediaType": "a/b", "size": 2}),
    "media-type": image(mediaType=7),
    "config-type": image(config={**GOOD, "mediaType": 7}),
    "subject-text": image(subject="sha256:" + "0" * 64),
    "subject-list": image(subject=[]),
    "subject-digest": image(subject={**GOOD, "digest": "x"}),
    "annotations-list": image(annotations=["a"]),
    "annotations-number": image(annotations={"a": 1}),
    "artifact-type": image(artifactType=["a"]),
    "layers-and-manifests": image(manifests=[]),
    "deep": b'{"schemaVersion":2,"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "deep-objects": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
}


@pytest.mark.parametrize("name", NONE)
def test_it_is_refused_as_what_it_is(repository: Repository, refused: Any, name: str) -> None:
    raw = NONE[name]
    with refused():
        answer = repository.put("bad", raw, OCI_MANIFEST)
        assert answer.status == 400, answer
        assert answer.codes[0] in ("MANIFEST_INVALID", "DIGEST_INVALID", "SIZE_INVALID"), answer
    with refused(lines=0):  # to ask what is there is no attempt
        assert repository("HEAD", "manifests/bad").status == 404


@pytest.mark.parametrize(
    "raw",
    [
        documents.index(manifests={}),
        documents.index(manifests=[None]),
        documents.index(manifests="x"),
        documents.index(layers=[]),
        encode({"schemaVersion": 2, "mediaType": OCI_INDEX}),
    ],
    ids=["object", "null", "text", "layers", "none"],
)
def test_an_index_is_refused_as_what_it_is(repository: Repository, refused: Any, raw: bytes) -> None:
    with refused():
        answer = repository.put("bad", raw, OCI_INDEX)
        assert (answer.status, answer.codes) == (400, ["MANIFEST_INVALID"]), answer


def test_what_nobody_has_to_look_at_may_be_anything(repository: Repository) -> None:
    """It is kept as it is; whoever shows it looks out for himself."""
    child = image()
    assert repository.put(digests.of(child), child, OCI_MANIFEST).status == 201
    for odd in ("linux", 7, [], {"os": []}, None):
        raw = documents.index(manifests=[descriptor(child, OCI_MANIFEST, platform=odd)])
        answer = repository.put("odd", raw, OCI_INDEX)
        assert answer.status in (201, 400)
        if answer.status == 201:
            assert repository("GET", "manifests/odd").body == raw


def test_two_hundred_thousand_keys_have_an_answer(repository: Repository) -> None:
    many = {f"k{number}": "" for number in range(200_000)}
    answer = repository.put("many", image(annotations=many), OCI_MANIFEST)
    assert answer.status in (201, 400, 413)


def test_a_key_that_is_there_twice_means_one_thing(repository: Repository) -> None:
    """What is answered of it later must not be the other image."""
    raw = image().replace(b'"layers"', b'"config": null,\n   "layers"')
    answer = repository.put("twice", raw, OCI_MANIFEST)
    assert answer.status in (201, 400)


_JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["mediaType", "digest", "size", "annotations", "platform", "x"]),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=8,
)
_FIELDS = (
    "schemaVersion",
    "mediaType",
    "config",
    "layers",
    "manifests",
    "subject",
    "annotations",
    "artifactType",
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changed=st.dictionaries(st.sampled_from(_FIELDS), _JSON, max_size=3), is_index=st.booleans())
def test_any_document_has_an_answer(repository: Repository, changed: dict[str, Any], is_index: bool) -> None:
    base = json.loads(documents.index() if is_index else image())
    raw = json.dumps({**base, **changed}).encode()
    answer = repository.put(digests.of(raw), raw, OCI_INDEX if is_index else OCI_MANIFEST)
    assert answer.status in (201, 400, 404)
    if answer.status == 201:
        assert repository("GET", f"manifests/{digests.of(raw)}").body == raw


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(raw=st.binary(max_size=200))
def test_any_bytes_have_an_answer(repository: Repository, raw: bytes) -> None:
    assert repository.put("any", raw, OCI_MANIFEST).status == 400
