"""What the protocol does beside the specification: conditions, deletes that are off, early refusals, logs."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from containerlab.oci import digest as digests
from tests import registries
from tests.distribution import documents, wire


@pytest.fixture(scope="module")
def registry(base: Path) -> Iterator[registries.Registry]:
    with registries.ours(base / "protocol", auth="basic") as running:
        yield running


@pytest.fixture
def repository(registry: registries.Registry) -> Iterator[wire.Repository]:
    """Yield a repository that has `latest`, an image without layers."""
    with wire.connected(registry) as client:
        repository = client.repository(f"lab/{os.urandom(8).hex()}")
        repository.push_blob(documents.EMPTY)
        assert put(repository, "first").status == 201
        yield repository


def image(text: str) -> bytes:
    return documents.image(annotations={"text": text})


def put(repository: wire.Repository, text: str, tag: str = "latest", **headers: str) -> wire.Answer:
    headers = {"Content-Type": documents.OCI_MANIFEST, **headers}
    return repository("PUT", f"manifests/{tag}", body=image(text), headers=headers)


def test_a_tag_is_changed_only_by_who_knows_what_it_is(repository: wire.Repository) -> None:
    first, second = (f'"{digests.of(image(text))}"' for text in ("first", "second"))
    refused = put(repository, "second", **{"If-Match": second})
    assert (refused.status, refused.codes) == (412, ["DENIED"])
    assert put(repository, "second", **{"If-Match": first}).status == 201
    assert put(repository, "third", **{"If-Match": first}).status == 412
    assert put(repository, "third", **{"If-Match": "*"}).status == 201
    assert put(repository, "third", "new", **{"If-Match": "*"}).status == 412
    assert repository("GET", "manifests/latest").body == image("third")


def test_a_tag_is_made_only_where_there_is_none(repository: wire.Repository) -> None:
    assert put(repository, "second", **{"If-None-Match": "*"}).status == 412
    assert put(repository, "second", "new", **{"If-None-Match": "*"}).status == 201
    assert repository("GET", "manifests/latest").body == image("first")


@pytest.mark.parametrize("what", ["manifests/latest", "blobs/{empty}"])
def test_what_a_client_has_is_not_sent_again(repository: wire.Repository, what: str) -> None:
    path = what.format(empty=digests.of(documents.EMPTY))
    tag = repository("GET", path)["ETag"]
    assert tag
    for header in (tag, f'"x", {tag}', f"W/{tag}", "*"):
        again = repository("GET", path, headers={"If-None-Match": header})
        assert (again.status, again.body, again["ETag"]) == (304, b"", tag)
    assert repository("GET", path, headers={"If-None-Match": '"x"'}).status == 200


def test_a_range_is_of_the_blob_that_the_client_knows(repository: wire.Repository) -> None:
    path = f"blobs/{digests.of(documents.EMPTY)}"
    tag = repository("GET", path)["ETag"] or ""
    part = repository("GET", path, headers={"Range": "bytes=1-", "If-Range": tag})
    assert (part.status, part.body, part["Content-Range"]) == (206, b"}", "bytes 1-1/2")
    whole = repository("GET", path, headers={"Range": "bytes=1-", "If-Range": '"x"'})
    assert (whole.status, whole.body) == (200, documents.EMPTY)


def test_a_blob_that_a_manifest_needs_stays(repository: wire.Repository) -> None:
    digest = digests.of(documents.EMPTY)
    answer = repository("DELETE", f"blobs/{digest}")
    assert (answer.status, answer.codes) == (405, ["UNSUPPORTED"])
    assert repository("GET", f"blobs/{digest}").status == 200


def test_a_subject_that_is_not_here_is_warned_of(repository: wire.Repository) -> None:
    subject = documents.descriptor(b"nothing", documents.OCI_MANIFEST)
    raw = documents.image(subject=subject)
    answer = repository.put("about", raw, documents.OCI_MANIFEST)
    assert (answer.status, answer["OCI-Subject"]) == (201, subject["digest"])
    assert subject["digest"] in (answer["Warning"] or "")
    present = documents.descriptor(image("first"), documents.OCI_MANIFEST)
    answer = repository.put("about", documents.image(subject=present), documents.OCI_MANIFEST)
    assert answer["Warning"] is None


def test_each_new_tag_has_a_header(repository: wire.Repository) -> None:
    raw = image("tagged")
    answer = repository.put(f"{digests.of(raw)}?tag=a&tag=b", raw, documents.OCI_MANIFEST)
    assert answer.status == 201
    assert answer.headers.get_all("OCI-Tag") == ["a", "b"]
    too_many = "&".join(f"tag=t{number}" for number in range(33))
    assert repository.put(f"{digests.of(raw)}?{too_many}", raw, documents.OCI_MANIFEST).status == 400
    assert sorted(repository.tags()) == ["a", "b", "latest"]


def test_the_body_of_who_may_not_push_is_not_read(registry: registries.Registry) -> None:
    head = (
        b"PUT /v2/lab/secret/manifests/1 HTTP/1.1\r\nHost: x\r\nContent-Length: 4000000\r\n"
        b"Expect: 100-continue\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", int(registry.url.rpartition(":")[2]))) as line:
        line.sendall(head)
        assert line.recv(12) == b"HTTP/1.1 401"


def test_deletes_can_be_off(tmp_path: Path) -> None:
    settings = {"deletes": False}
    with (
        registries.ours(tmp_path, auth="none", settings=settings) as registry,
        wire.connected(registry) as client,
    ):
        repository = client.repository("lab/base")
        digest = repository.push_blob(documents.EMPTY)
        put(repository, "first")
        for path in ("manifests/latest", f"manifests/{digests.of(image('first'))}", f"blobs/{digest}"):
            answer = repository("DELETE", path)
            assert (answer.status, answer.codes) == (405, ["UNSUPPORTED"])


def test_every_request_has_a_line_when_that_is_wanted(tmp_path: Path) -> None:
    settings = {"access_log": True}
    with registries.ours(tmp_path, auth="none", settings=settings) as registry:
        with wire.connected(registry) as client:
            client("GET", "/v2/")
            client("HEAD", "/v2/lab/base/manifests/latest")
        lines = registry.log.read_text().splitlines()
    assert [line.partition('"')[2].rpartition("ms")[0].rsplit(" ", 1)[0] for line in lines] == [
        'GET /v2/" 200',
        'HEAD /v2/lab/base/manifests/latest" 404',
    ]


def test_what_many_clients_ask_leaves_no_line(tmp_path: Path) -> None:
    with registries.ours(tmp_path, auth="basic") as registry:
        with wire.connected(registry, credentials=None) as client:
            assert client("GET", "/v2/").status == 401
        with wire.connected(registry) as client:
            assert client("HEAD", "/v2/lab/base/manifests/latest").status == 404
        assert registry.log.read_text() == ""
