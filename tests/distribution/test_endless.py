"""Registries whose answers have no end: each is given up with a sentence, and little was spent on it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator

import pytest

from containerlab import errors
from containerlab.distribution.connections import Bytes
from containerlab.distribution.remote import Remote
from containerlab.distribution.transfer import platforms
from containerlab.oci import digest as digests
from containerlab.oci.image import OCI_INDEX, OCI_MANIFEST, Descriptor
from containerlab.oci.reference import Reference
from tests.distribution import documents
from tests.distribution.peers import Handler, Peer, Request, respond

DATA = os.urandom(2 << 20)
BLOB = Descriptor(media_type="", digest=digests.of(DATA), size=len(DATA))


def _remote(peer: Peer) -> Remote:
    return Remote(Reference.parse(f"{peer.host}/lab/app:v1"))


def _after_base(handler: Handler) -> Handler:
    def answer(request: Request) -> bytes | Iterable[bytes]:
        return respond(200, b"{}") if request.path == "/v2/" else handler(request)

    return answer


def test_lists_without_an_end_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("containerlab.distribution.remote._MOST_PAGES", 50)

    def answer(request: Request) -> bytes:
        last = int(request.target.rpartition("=")[2]) if "last=" in request.target else 0
        page = {"tags": [f"t{last}"], "repositories": [f"r{last}"], "schemaVersion": 2, "manifests": []}
        link = f'<{request.path}?last={last + 1}>; rel="next"'
        return respond(200, json.dumps(page).encode(), [("Link", link), ("Content-Type", OCI_INDEX)])

    with Peer(_after_base(answer)) as peer, _remote(peer) as remote:
        for ask in (remote.tags, remote.catalog, lambda: remote.referrers(BLOB.digest)):
            with pytest.raises(errors.CorruptContent, match="goes on and on"):
                list(ask())  # type: ignore[operator]
        assert len(peer.requests) < 160


@pytest.mark.parametrize("range_", ["0-0", "0-99", "bytes=0-0"])
def test_an_upload_that_gets_nowhere_is_given_up(range_: str) -> None:
    where = ("Location", "/v2/lab/app/blobs/uploads/1")

    def answer(request: Request) -> bytes:
        if request.method == "HEAD":
            return respond(404)
        status = {"POST": 202, "PATCH": 202, "GET": 204}.get(request.method, 404)
        return respond(status, b"", [where, ("Range", range_)])

    with Peer(_after_base(answer)) as peer, _remote(peer) as remote:
        with pytest.raises(errors.Unavailable):
            remote.upload(BLOB, Bytes(DATA))
        assert len(peer.requests) < 30


@pytest.mark.parametrize("length", ["²", "9" * 5000, "-1", "1.5", ""])
def test_a_length_of_chunks_that_is_none_counts_for_nothing(length: str) -> None:
    def answer(request: Request) -> bytes:
        status = {"POST": 202, "PATCH": 202, "PUT": 201}.get(request.method, 404)
        headers = [("Location", "/v2/lab/app/blobs/uploads/1"), ("OCI-Chunk-Min-Length", length)]
        return respond(status, b"", headers)

    with Peer(_after_base(answer)) as peer, _remote(peer) as remote:
        remote.upload(BLOB, Bytes(DATA))


def test_answers_before_the_answer_are_passed_over() -> None:
    """100, and those that only new servers send: RFC 9110, 15.2."""
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"

    def answer(request: Request) -> bytes:
        return hints + respond(200, b'{"tags": ["a"]}')

    with Peer(_after_base(answer)) as peer, _remote(peer) as remote:
        assert list(remote.tags()) == ["a"]


@pytest.mark.slow
def test_answers_before_the_answer_that_do_not_end_are_given_up() -> None:
    def flood(request: Request) -> Iterator[bytes]:
        while True:
            yield b"HTTP/1.1 100 Continue\r\n\r\n" * 100

    with Peer(_after_base(flood)) as peer, _remote(peer) as remote, pytest.raises(errors.Unavailable):
        list(remote.tags())


def test_an_index_of_the_same_again_and_again_is_fetched_once() -> None:
    """A few megabytes must not become a billion requests."""
    image = documents.image()
    served = {digests.of(image): image}
    inner = image
    for depth in range(3):
        kind = OCI_INDEX if depth else OCI_MANIFEST
        entries = [documents.descriptor(inner, kind, annotations={"n": str(n)}) for n in range(200)]
        inner = documents.encode({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries})
        served[digests.of(inner)] = inner

    def answer(request: Request) -> bytes:
        raw = served.get(request.path.rpartition("/")[2], inner)
        return respond(200, raw, [("Content-Type", json.loads(raw)["mediaType"])])

    with Peer(_after_base(answer)) as peer, _remote(peer) as remote:
        root = remote.manifest("v1")
        wanted = platforms.Wanted(is_all=True)
        found = list(platforms.chosen(root, wanted, lambda each: remote.manifest(each.digest), "x"))
        assert len({each.descriptor.digest for each in found}) == 4
        assert len(peer.requests) < 10


def test_an_index_that_leads_to_too_many_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("containerlab.distribution.transfer.platforms._MOST", 20)
    images = [documents.image(annotations={"n": str(n)}) for n in range(30)]
    served = {digests.of(each): each for each in images}

    def answer(request: Request) -> bytes:
        raw = served.get(request.path.rpartition("/")[2], documents.index(*images))
        return respond(200, raw, [("Content-Type", json.loads(raw)["mediaType"])])

    with Peer(_after_base(answer)) as peer, _remote(peer) as remote:
        root, wanted = remote.manifest("v1"), platforms.Wanted(is_all=True)
        with pytest.raises(errors.CorruptContent, match="more than 20"):
            list(platforms.chosen(root, wanted, lambda each: remote.manifest(each.digest), "x"))
