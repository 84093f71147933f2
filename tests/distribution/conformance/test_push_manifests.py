"""Section 1, push: manifests by tag, by digest, by both."""

from __future__ import annotations

import hashlib

import pytest

from containerlab.oci import digest as digests
from tests.distribution import documents
from tests.distribution.documents import OCI_INDEX, OCI_MANIFEST
from tests.distribution.wire import Client, Repository

pytestmark = pytest.mark.slow

SUBJECT = {"mediaType": OCI_MANIFEST, "digest": digests.of(b"nobody has it"), "size": 13}


@pytest.fixture
def repository(repository: Repository) -> Repository:
    """It has the empty blob, which is all that the images here need."""
    repository.push_blob(documents.EMPTY)
    return repository


def sha512(data: bytes) -> str:
    return f"sha512:{hashlib.sha512(data).hexdigest()}"


@pytest.mark.parametrize("by", ["tag", "digest"])
def test_a_manifest_is_stored(client: Client, repository: Repository, by: str) -> None:
    raw = documents.image()
    answer = repository.put("one" if by == "tag" else digests.of(raw), raw, OCI_MANIFEST)
    assert answer.status == 201
    assert answer["Docker-Content-Digest"] == digests.of(raw)
    assert answer["OCI-Subject"] is None
    location = answer["Location"]
    assert location
    assert client("GET", location, headers={"Accept": OCI_MANIFEST}).body == raw


def test_a_digest_that_is_not_the_manifests_is_refused(repository: Repository) -> None:
    answer = repository.put(digests.of(documents.image() + b" "), documents.image(), OCI_MANIFEST)
    assert answer.status == 400
    assert answer.codes == ["DIGEST_INVALID"]
    assert repository("HEAD", f"manifests/{digests.of(documents.image())}").status == 404


@pytest.mark.parametrize("digest", ["sha256:baddigeststring", f"sha256:{'A' * 64}", f"md5:{'0' * 32}"])
def test_a_malformed_digest_is_refused(repository: Repository, digest: str) -> None:
    answer = repository.put(digest, documents.image(), OCI_MANIFEST)
    assert answer.status == 400
    assert answer.codes[0] in ("DIGEST_INVALID", "UNSUPPORTED", "MANIFEST_INVALID", "TAG_INVALID")


def test_a_tag_moves(repository: Repository) -> None:
    first, second = documents.image(), documents.image(annotations={"n": "2"})
    for raw in (first, second):
        assert repository.put("one", raw, OCI_MANIFEST).status == 201
    assert repository("GET", "manifests/one").body == second
    assert repository("GET", f"manifests/{digests.of(first)}").body == first


def test_the_same_again(repository: Repository) -> None:
    for tag in ("one", "one", "two"):
        assert repository.put(tag, documents.image(), OCI_MANIFEST).status == 201
    assert repository.tags() == ["one", "two"]


def test_a_manifest_whose_blobs_are_missing_is_taken_whole_or_refused(repository: Repository) -> None:
    raw = documents.image(b'{"nobody":"has it"}')
    answer = repository.put("one", raw, OCI_MANIFEST)
    if answer.status != 201:
        assert answer.status in (400, 404)
        assert set(answer.codes) == {"MANIFEST_BLOB_UNKNOWN"}
        assert repository("HEAD", "manifests/one").status == 404
        assert repository("HEAD", f"manifests/{digests.of(raw)}").status == 404


def test_an_index_whose_manifests_are_missing_is_taken_whole_or_refused(repository: Repository) -> None:
    answer = repository.put("one", documents.index(documents.image(annotations={"a": "b"})), OCI_INDEX)
    if answer.status != 201:
        assert answer.status in (400, 404)
        assert set(answer.codes) <= {"MANIFEST_BLOB_UNKNOWN", "MANIFEST_UNKNOWN"}
        assert repository("HEAD", "manifests/one").status == 404


def test_indexes_of_images_and_of_indexes(repository: Repository) -> None:
    images = [documents.image(annotations={"n": str(number)}) for number in range(2)]
    for raw in images:
        assert repository.put(digests.of(raw), raw, OCI_MANIFEST).status == 201
    index = documents.index(*images)
    assert repository.put("index", index, OCI_INDEX).status == 201
    entry = documents.descriptor(index, OCI_INDEX)
    outer = documents.index(manifests=[entry])
    assert repository.put("outer", outer, OCI_INDEX).status == 201
    assert repository("GET", "manifests/outer").body == outer
    assert repository("GET", "manifests/index").body == index


@pytest.mark.parametrize("kind", ["index", "image"])
def test_a_document_may_be_empty(repository: Repository, kind: str) -> None:
    raw, media_type = (documents.index(), OCI_INDEX) if kind == "index" else (documents.image(), OCI_MANIFEST)
    assert repository.put("one", raw, media_type).status == 201


def test_layers_that_lie_elsewhere_are_not_asked_for(repository: Repository) -> None:
    layer = documents.descriptor(
        b"elsewhere",
        "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
        urls=["https://store.example.com/layer"],
    )
    assert repository.put("one", documents.image(layers=[layer]), OCI_MANIFEST).status == 201


@pytest.mark.parametrize("kind", ["artifact", "index"])
def test_a_subject_that_nobody_has_is_taken(repository: Repository, kind: str) -> None:
    raw = documents.artifact("application/x.test", SUBJECT)
    if kind == "index":
        raw = documents.index(subject=SUBJECT, artifactType="application/x.test")
    answer = repository.put(digests.of(raw), raw, OCI_INDEX if kind == "index" else OCI_MANIFEST)
    assert answer.status == 201
    assert answer["OCI-Subject"] == SUBJECT["digest"]


def test_data_in_descriptors_and_unknown_fields_are_kept(repository: Repository) -> None:
    config = documents.descriptor(documents.EMPTY, data="e30=", unknown=1)
    raw = documents.image(config=config, unknown={"a": [None]})
    assert repository.put("one", raw, OCI_MANIFEST).status == 201
    assert repository("GET", "manifests/one").body == raw


def test_four_megabytes_are_taken(repository: Repository) -> None:
    raw = _of_size(4 << 20)
    assert repository.put("large", raw, OCI_MANIFEST).status == 201
    assert repository("GET", "manifests/large").body == raw


def test_more_than_the_limit_is_413(repository: Repository) -> None:
    answer = repository.put("huge", _of_size(64 << 20), OCI_MANIFEST)
    assert answer.status == 413
    assert answer.codes[0] in ("SIZE_INVALID", "MANIFEST_INVALID")


def _of_size(size: int) -> bytes:
    empty = len(documents.image(annotations={"a": ""}))
    return documents.image(annotations={"a": "x" * (size - empty)})


def test_a_type_that_is_not_that_of_the_body_is_refused(repository: Repository) -> None:
    for raw, media_type in ((documents.image(), OCI_INDEX), (documents.index(), OCI_MANIFEST)):
        answer = repository.put("one", raw, media_type)
        assert answer.status == 400
        assert answer.codes == ["MANIFEST_INVALID"]


def test_a_body_without_a_type_has_that_of_the_header(repository: Repository) -> None:
    raw = documents.encode(
        {"schemaVersion": 2, "config": documents.descriptor(documents.EMPTY), "layers": []}
    )
    assert repository.put("one", raw, OCI_MANIFEST).status == 201
    assert repository("GET", "manifests/one")["Content-Type"] == OCI_MANIFEST


@pytest.mark.parametrize("media_type", [None, "", ";", "application/json", "application/octet-stream"])
def test_without_a_header_the_body_says_what_it_is(repository: Repository, media_type: str | None) -> None:
    answer = repository.put("one", documents.image(), media_type)
    assert answer.status in (201, 400, 415)
    if answer.status == 201:
        assert repository("GET", "manifests/one")["Content-Type"] == OCI_MANIFEST


@pytest.mark.parametrize("media_type", ["nonsense", "text/html", "image/png", "a/b\u00e4", "/"])
def test_types_that_are_none_are_refused(repository: Repository, media_type: str) -> None:
    answer = repository.put("one", documents.image(), media_type)
    assert answer.status in (400, 415)


def test_a_manifest_gets_tags_with_its_digest(repository: Repository) -> None:
    """End-7b."""
    raw = documents.image()
    answer = repository.put(f"{digests.of(raw)}?tag=a&tag=b", raw, OCI_MANIFEST)
    assert answer.status == 201
    tags = [each.strip() for line in answer.headers.get_all("OCI-Tag") or [] for each in line.split(",")]
    assert sorted(tags) == ["a", "b"]
    for tag in ("a", "b"):
        assert repository("GET", f"manifests/{tag}").body == raw
    assert repository.tags() == ["a", "b"]


@pytest.mark.parametrize("tag", ["", "-a", "x" * 129, "a%00"])
def test_tags_that_are_none_are_not_given(repository: Repository, tag: str) -> None:
    raw = documents.image()
    answer = repository.put(f"{digests.of(raw)}?tag=good&tag={tag}", raw, OCI_MANIFEST)
    assert answer.status == 400
    assert repository("HEAD", "manifests/good").status == 404


def test_a_manifest_may_have_another_algorithm(client: Client, repository: Repository) -> None:
    raw = documents.image()
    answer = repository.put(f"{sha512(raw)}?tag=one", raw, OCI_MANIFEST)
    assert answer.status == 201
    assert answer["Docker-Content-Digest"] == sha512(raw)
    for reference in (sha512(raw), "one"):
        found = repository("GET", f"manifests/{reference}")
        assert (found.status, found.body) == (200, raw)
        assert found["Docker-Content-Digest"] == sha512(raw)


def test_all_of_an_image_may_have_another_algorithm(repository: Repository) -> None:
    layer = b"a layer"
    repository.push_blob(layer, sha512(layer))
    config = {**documents.descriptor(documents.EMPTY), "digest": sha512(documents.EMPTY)}
    repository.push_blob(documents.EMPTY, sha512(documents.EMPTY))
    image = documents.image(config=config, layers=[{**documents.descriptor(layer), "digest": sha512(layer)}])
    assert repository.put(sha512(image), image, OCI_MANIFEST).status == 201
    entry = {**documents.descriptor(image, OCI_MANIFEST), "digest": sha512(image)}
    index = documents.index(manifests=[entry])
    assert repository.put(sha512(index), index, OCI_INDEX).status == 201
    assert repository("GET", f"manifests/{sha512(index)}").body == index


def test_a_manifest_that_was_deleted_can_come_again(repository: Repository) -> None:
    """distribution#3254: a cache said that it was there."""
    raw = documents.image()
    for _ in range(2):
        assert repository.put("one", raw, OCI_MANIFEST).status == 201
        assert repository("DELETE", f"manifests/{digests.of(raw)}").status == 202
    assert repository("HEAD", "manifests/one").status == 404


@pytest.mark.parametrize("reference", ["one", "digest"])
def test_a_manifest_may_be_sent_chunked(repository: Repository, reference: str) -> None:
    raw = documents.image()
    where = digests.of(raw) if reference == "digest" else reference
    headers = {"Content-Type": OCI_MANIFEST}
    answer = repository("PUT", f"manifests/{where}", body=[raw[:50], raw[50:]], headers=headers)
    assert answer.status == 201
    assert repository("GET", f"manifests/{where}").body == raw
