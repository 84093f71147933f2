"""Section 1, management: tags, manifests and blobs go, and come again."""

from __future__ import annotations

import pytest

from containerlab.oci import digest as digests
from tests.distribution import documents
from tests.distribution.documents import OCI_INDEX, OCI_MANIFEST
from tests.distribution.wire import Repository

pytestmark = pytest.mark.slow

UNKNOWN = digests.of(b"what nobody has pushed")
RAW = documents.image()
DIGEST = digests.of(RAW)


@pytest.fixture
def repository(repository: Repository) -> Repository:
    """It has an image with the tags `one` and `two`."""
    repository.push_blob(documents.EMPTY)
    for tag in ("one", "two"):
        assert repository.put(tag, RAW, OCI_MANIFEST).status == 201
    return repository


def test_a_tag_goes_alone(repository: Repository) -> None:
    assert repository("DELETE", "manifests/one").status == 202
    assert repository("HEAD", "manifests/one").status == 404
    assert repository.tags() == ["two"]
    assert repository("GET", "manifests/two").body == RAW
    assert repository("GET", f"manifests/{DIGEST}").body == RAW


def test_a_manifest_goes_with_its_tags(repository: Repository) -> None:
    assert repository("DELETE", f"manifests/{DIGEST}").status == 202
    for reference in ("one", "two", DIGEST):
        assert repository("HEAD", f"manifests/{reference}").status == 404
    answer = repository("GET", "tags/list")
    assert answer.status == 404 or not answer.json["tags"]


def test_a_manifest_of_another_tag_stays(repository: Repository) -> None:
    other = documents.image(annotations={"n": "2"})
    assert repository.put("other", other, OCI_MANIFEST).status == 201
    assert repository("DELETE", f"manifests/{DIGEST}").status == 202
    assert repository.tags() == ["other"]
    assert repository("GET", "manifests/other").body == other


def test_a_blob_goes_and_comes_again(repository: Repository) -> None:
    digest = repository.push_blob(b"some blob")
    for _ in range(2):
        assert repository("DELETE", f"blobs/{digest}").status == 202
        assert repository("HEAD", f"blobs/{digest}").status == 404
        assert repository.push_blob(b"some blob") == digest
        assert repository("GET", f"blobs/{digest}").body == b"some blob"


def test_a_blob_that_a_manifest_needs_stays_or_both_are_honest(repository: Repository) -> None:
    """No manifest may point to a blob that is gone."""
    digest = digests.of(documents.EMPTY)
    answer = repository("DELETE", f"blobs/{digest}")
    assert answer.status in (202, 400, 403, 405, 409)
    if answer.status != 202:
        assert repository("GET", f"blobs/{digest}").body == documents.EMPTY


def test_a_blob_stays_in_other_repositories(repository: Repository, other: Repository) -> None:
    digest = repository.push_blob(b"shared")
    other.push_blob(b"shared")
    assert repository("DELETE", f"blobs/{digest}").status == 202
    assert repository("HEAD", f"blobs/{digest}").status == 404
    assert other("GET", f"blobs/{digest}").body == b"shared"


def test_a_manifest_that_an_index_needs(repository: Repository) -> None:
    index = documents.index(RAW)
    assert repository.put("many", index, OCI_INDEX).status == 201
    answer = repository("DELETE", f"manifests/{DIGEST}")
    assert answer.status in (202, 400, 403, 405, 409)
    assert repository("GET", "manifests/many").body == index


@pytest.mark.parametrize("path", ["manifests/none", f"manifests/{UNKNOWN}", f"blobs/{UNKNOWN}"])
def test_what_is_unknown_cannot_be_deleted(repository: Repository, other: Repository, path: str) -> None:
    answer = repository("DELETE", path)
    assert answer.status == 404
    assert answer.codes == ["BLOB_UNKNOWN" if path.startswith("blobs") else "MANIFEST_UNKNOWN"]
    answer = other("DELETE", path)
    assert answer.status == 404
    assert answer.codes[0] in ("NAME_UNKNOWN", "BLOB_UNKNOWN", "MANIFEST_UNKNOWN")


@pytest.mark.parametrize("digest", ["sha256:abc", f"md5:{'0' * 32}"])
def test_malformed_digests_cannot_be_deleted(repository: Repository, digest: str) -> None:
    assert repository("DELETE", f"blobs/{digest}").status in (400, 404)
    assert repository("DELETE", f"manifests/{digest}").status in (400, 404)


def test_deleted_twice_is_404(repository: Repository) -> None:
    assert repository("DELETE", "manifests/one").status == 202
    assert repository("DELETE", "manifests/one").status == 404
    assert repository("DELETE", f"manifests/{DIGEST}").status == 202
    assert repository("DELETE", f"manifests/{DIGEST}").status == 404
