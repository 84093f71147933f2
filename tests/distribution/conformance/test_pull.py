"""Section 1, pull: exact bytes, their headers, parts of them, and 404."""

from __future__ import annotations

import pytest

from containerlab.oci import digest as digests
from tests.distribution import documents
from tests.distribution.documents import DOCKER_INDEX, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST
from tests.distribution.wire import Client, Repository

pytestmark = pytest.mark.slow

DATA = bytes(range(256)) * 8
UNKNOWN = digests.of(b"what nobody has pushed")


@pytest.fixture
def blob(repository: Repository) -> str:
    return repository.push_blob(DATA)


@pytest.fixture
def manifest(repository: Repository) -> bytes:
    """A manifest with the tag `one` whose bytes no encoder here would write."""
    repository.push_blob(documents.EMPTY)
    raw = documents.image(unknown={"ü": [1, 2.50, None]})
    assert repository.put("one", raw, OCI_MANIFEST).status == 201
    return raw


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_manifests_come_as_they_were_pushed(repository: Repository, manifest: bytes, method: str) -> None:
    for reference in ("one", digests.of(manifest)):
        answer = repository(method, f"manifests/{reference}", headers={"Accept": OCI_MANIFEST})
        assert answer.status == 200
        assert answer.body == (manifest if method == "GET" else b"")
        assert answer["Content-Type"] == OCI_MANIFEST
        assert answer["Content-Length"] == str(len(manifest))
        assert answer["Docker-Content-Digest"] == digests.of(manifest)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_blobs_come_as_they_were_pushed(repository: Repository, blob: str, method: str) -> None:
    answer = repository(method, f"blobs/{blob}")
    assert answer.status == 200
    assert answer.body == (DATA if method == "GET" else b"")
    assert answer["Content-Length"] == str(len(DATA))
    assert answer["Docker-Content-Digest"] == blob


def test_parameters_of_the_content_type_are_not_kept(repository: Repository) -> None:
    repository.push_blob(documents.EMPTY)
    assert repository.put("one", documents.image(), f"{OCI_MANIFEST}; charset=utf-8").status == 201
    assert repository("GET", "manifests/one")["Content-Type"] == OCI_MANIFEST


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", ["manifests/none", f"manifests/{UNKNOWN}", f"blobs/{UNKNOWN}"])
def test_what_is_unknown_is_404(repository: Repository, manifest: bytes, method: str, path: str) -> None:
    answer = repository(method, path)
    assert answer.status == 404
    if method == "GET":
        assert answer.codes == ["BLOB_UNKNOWN" if path.startswith("blobs") else "MANIFEST_UNKNOWN"]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", ["manifests/none", f"manifests/{UNKNOWN}", f"blobs/{UNKNOWN}"])
def test_all_of_an_unknown_repository_is_404(repository: Repository, method: str, path: str) -> None:
    answer = repository(method, path)
    assert answer.status == 404
    if method == "GET":
        assert answer.codes[0] in ("NAME_UNKNOWN", "BLOB_UNKNOWN", "MANIFEST_UNKNOWN")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_blob_of_another_repository_is_404(
    repository: Repository, other: Repository, blob: str, method: str
) -> None:
    other.push_blob(b"so that it exists")
    assert repository(method, f"blobs/{blob}").status == 200
    assert other(method, f"blobs/{blob}").status == 404


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_manifest_of_another_repository_is_404(
    repository: Repository, other: Repository, manifest: bytes, method: str
) -> None:
    other.push_blob(b"so that it exists")
    assert other(method, f"manifests/{digests.of(manifest)}").status == 404
    assert other(method, f"blobs/{digests.of(manifest)}").status == 404


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("0-0", 0, 0),
        ("500-1499", 500, 1499),
        ("500-", 500, 2047),
        ("-100", 1948, 2047),
        ("-5000", 0, 2047),
        ("2000-5000", 2000, 2047),
        (f"2000-{10**20}", 2000, 2047),
        ("2047-2047", 2047, 2047),
        ("0-2047", 0, 2047),
    ],
)
def test_ranges(repository: Repository, blob: str, asked: str, first: int, last: int) -> None:
    answer = repository("GET", f"blobs/{blob}", headers={"Range": f"bytes={asked}"})
    assert answer.status == 206
    assert answer.body == DATA[first : last + 1]
    assert answer["Content-Range"] == f"bytes {first}-{last}/{len(DATA)}"
    assert answer["Content-Length"] == str(last - first + 1)


@pytest.mark.parametrize("asked", ["2048-", "2048-3000", "5000-10000", "-0", f"{10**20}-", "500-0"])
def test_ranges_past_the_end_and_backwards_are_416(repository: Repository, blob: str, asked: str) -> None:
    answer = repository("GET", f"blobs/{blob}", headers={"Range": f"bytes={asked}"})
    assert answer.status == 416
    assert answer["Content-Range"] in (f"bytes */{len(DATA)}", None)
    # What follows on the same connection shows whether it was framed well.
    assert repository("GET", f"blobs/{blob}").body == DATA


@pytest.mark.parametrize("asked", ["bytes=a-b", "bytes=", "bytes=1", "lines=1-2", "1-2", "bytes=--1", ""])
def test_ranges_without_sense_are_ignored_or_refused(repository: Repository, blob: str, asked: str) -> None:
    answer = repository("GET", f"blobs/{blob}", headers={"Range": asked})
    assert answer.status in (200, 400, 416)
    assert answer.status != 200 or answer.body == DATA


def test_many_ranges_do_not_multiply_the_answer(repository: Repository, blob: str) -> None:
    asked = ",".join(["0-2047"] * 500)
    answer = repository("GET", f"blobs/{blob}", headers={"Range": f"bytes={asked}"})
    assert answer.status in (200, 206, 416)
    assert len(answer.body) <= len(DATA)


def test_two_ranges_are_both_there_or_ignored(repository: Repository, blob: str) -> None:
    answer = repository("GET", f"blobs/{blob}", headers={"Range": "bytes=0-9,20-29"})
    if answer.status == 200:
        assert answer.body == DATA
    else:
        assert answer.status == 206
        assert (answer["Content-Type"] or "").startswith("multipart/byteranges")
        assert DATA[0:10] in answer.body
        assert DATA[20:30] in answer.body


def test_blobs_say_that_they_have_ranges(repository: Repository, blob: str) -> None:
    assert repository("GET", f"blobs/{blob}")["Accept-Ranges"] == "bytes"
    assert repository("HEAD", f"blobs/{blob}")["Accept-Ranges"] == "bytes"


def test_a_head_has_no_range(repository: Repository, blob: str) -> None:
    """RFC 9110 14.2: only GET has."""
    answer = repository("HEAD", f"blobs/{blob}", headers={"Range": "bytes=0-9"})
    assert answer.status == 200
    assert answer["Content-Length"] == str(len(DATA))


def test_the_empty_blob_has_no_part(repository: Repository) -> None:
    digest = repository.push_blob(b"")
    assert repository("GET", f"blobs/{digest}").body == b""
    assert repository("HEAD", f"blobs/{digest}")["Content-Length"] == "0"
    assert repository("GET", f"blobs/{digest}", headers={"Range": "bytes=0-"}).status in (200, 416)


@pytest.mark.parametrize("accepted", ["gzip", "gzip, deflate, br", "zstd;q=1.0, *;q=0.5"])
def test_blobs_are_not_encoded(repository: Repository, blob: str, accepted: str) -> None:
    answer = repository("GET", f"blobs/{blob}", headers={"Accept-Encoding": accepted})
    assert answer.body == DATA
    assert answer["Content-Encoding"] in (None, "identity")


def test_the_name_that_mirrors_add_is_ignored(repository: Repository, manifest: bytes, blob: str) -> None:
    assert repository("GET", "manifests/one?ns=docker.io").body == manifest
    assert repository("HEAD", f"blobs/{blob}?ns=docker.io").status == 200
    answer = repository("GET", "manifests/one", headers={"OCI-Namespace": "docker.io"})
    assert answer.body == manifest


@pytest.mark.parametrize("accepted", [None, "*/*", "", OCI_INDEX, DOCKER_MANIFEST, "text/html"])
def test_whatever_is_accepted_the_stored_type_comes(
    repository: Repository, manifest: bytes, accepted: str | None
) -> None:
    answer = repository("GET", "manifests/one", headers={"Accept": accepted})
    assert (answer.status, answer.body, answer["Content-Type"]) == (200, manifest, OCI_MANIFEST)


@pytest.mark.parametrize("media_type", [DOCKER_MANIFEST, DOCKER_INDEX, OCI_INDEX])
def test_types_of_docker_are_kept(repository: Repository, media_type: str) -> None:
    repository.push_blob(documents.EMPTY)
    if media_type == DOCKER_MANIFEST:
        config = documents.descriptor(documents.EMPTY, "application/vnd.docker.container.image.v1+json")
        raw = documents.image(mediaType=media_type, config=config)
    else:
        child = documents.image()
        assert repository.put(digests.of(child), child, OCI_MANIFEST).status == 201
        raw = documents.index(child, mediaType=media_type)
    assert repository.put("one", raw, media_type).status == 201
    answer = repository("GET", "manifests/one", headers={"Accept": f"{OCI_MANIFEST}, {media_type}"})
    assert (answer.body, answer["Content-Type"]) == (raw, media_type)


def test_what_a_client_has_is_not_sent_again(repository: Repository, manifest: bytes, blob: str) -> None:
    for path in (f"blobs/{blob}", "manifests/one", f"manifests/{digests.of(manifest)}"):
        tag = repository("GET", path)["ETag"]
        assert tag
        for known in (tag, f'"other", {tag}', "*"):
            answer = repository("GET", path, headers={"If-None-Match": known})
            assert (answer.status, answer.body) == (304, b""), known
        assert repository("GET", path, headers={"If-None-Match": '"other"'}).status == 200


def test_a_part_of_something_else_is_not_sent(repository: Repository, blob: str) -> None:
    tag = repository("GET", f"blobs/{blob}")["ETag"]
    assert tag
    same = repository("GET", f"blobs/{blob}", headers={"Range": "bytes=0-9", "If-Range": tag})
    assert (same.status, same.body) == (206, DATA[:10])
    changed = repository("GET", f"blobs/{blob}", headers={"Range": "bytes=0-9", "If-Range": '"other"'})
    assert (changed.status, changed.body) == (200, DATA)


def test_blobs_may_be_kept_by_caches(client: Client, repository: Repository, blob: str) -> None:
    """What is behind authorization may be kept by the client alone."""
    kept = repository("GET", f"blobs/{blob}")["Cache-Control"] or ""
    assert "no-store" not in kept
    assert client.registry.auth == "none" or "public" not in kept


@pytest.mark.parametrize(
    "digest", ["sha256:short", f"sha256:{'A' * 64}", "md5:" + "0" * 32, "sha256:", "x:y"]
)
@pytest.mark.parametrize("kind", ["blobs", "manifests"])
def test_malformed_digests_are_refused(repository: Repository, blob: str, kind: str, digest: str) -> None:
    answer = repository("GET", f"{kind}/{digest}")
    assert answer.status in (400, 404)
