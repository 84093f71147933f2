"""Sending a blob where that is made hard: limits on requests, connections that break off, odd answers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from containerlab import errors
from containerlab.distribution.remote import Remote
from containerlab.oci import digest as digests
from containerlab.oci.reference import Reference
from tests import registries
from tests.distribution.artifacts import Bytes, blob_of, noise
from tests.distribution.peers import Peer, Request, respond
from tests.distribution.transfer import cable

_DATA = noise(5_000_000)
_MIB = 1 << 20


class Picky:
    """A registry that has one upload at a time.

    most_bytes: of one request. least_chunk: what it says of chunks. forgets: after how many chunks it has
    forgotten the session, once. short: takes only half of the first chunk.
    """

    def __init__(self, most_bytes: int = 1 << 40, least_chunk: int = 0, forgets: int = 0) -> None:
        self.most_bytes, self.least_chunk, self.forgets = most_bytes, least_chunk, forgets
        self.data = b""
        self.blobs: dict[str, bytes] = {}
        self.chunks: list[int] = []
        self.sessions = 0
        self.takes_half = False

    def __call__(self, request: Request) -> bytes:
        if len(request.body) > self.most_bytes:
            return respond(413)
        match request.method:
            case "POST":
                return self._begin()
            case "PATCH":
                return self._take(request)
            case "GET" if "/uploads/" in request.path:
                return respond(204, headers=self._state())
            case "PUT":
                return self._end(request)
        return respond(404)

    def _begin(self) -> bytes:
        self.data, self.sessions = b"", self.sessions + 1
        least = {"OCI-Chunk-Min-Length": str(self.least_chunk)} if self.least_chunk else {}
        return respond(202, headers={**self._state(), **least})

    def _state(self) -> dict[str, str]:
        last = max(0, len(self.data) - 1)
        return {"Location": f"/v2/app/blobs/uploads/{self.sessions}?state=a%2Fb", "Range": f"0-{last}"}

    def _take(self, request: Request) -> bytes:
        if f"/uploads/{self.sessions}?state=a%2Fb" not in request.target:
            return respond(404)
        if self.forgets and len(self.chunks) == self.forgets:
            self.forgets, self.sessions = 0, self.sessions + 1
            return respond(404)
        begins = re.match(r"(\d+)-(\d+)$", request.headers.get("content-range", f"{len(self.data)}-0"))
        if not begins or int(begins[1]) != len(self.data):
            return respond(416, headers=self._state())
        taken, self.takes_half = request.body[: len(request.body) // 2 if self.takes_half else None], False
        self.data += taken
        self.chunks.append(len(taken))
        return respond(202, headers=self._state())

    def _end(self, request: Request) -> bytes:
        data = self.data + request.body
        if f"digest={digests.of(data).replace(':', '%3A')}" not in request.target:
            return respond(400, b'{"errors":[{"code":"DIGEST_INVALID"}]}')
        self.blobs[digests.of(data)] = data
        return respond(201)


def _send(picky: Picky, data: bytes = _DATA) -> list[int]:
    told: list[int] = []
    with Peer(picky) as peer, Remote(Reference.parse(f"{peer.host}/app")) as remote:
        remote.upload(blob_of(data), Bytes(data), progress=told.append)
    return told


def test_a_large_blob_goes_in_one_stream() -> None:
    picky = Picky()
    assert sum(_send(picky)) == len(_DATA)
    assert picky.blobs == {digests.of(_DATA): _DATA}
    assert picky.chunks == [len(_DATA)]


def test_a_small_blob_goes_along_with_its_digest() -> None:
    picky = Picky()
    _send(picky, b"small")
    assert picky.blobs[digests.of(b"small")] == b"small"
    assert picky.chunks == []


@pytest.mark.parametrize("most_bytes", [4 * _MIB, 2 * _MIB, _MIB + 1])
def test_behind_a_limit_it_goes_in_chunks(most_bytes: int) -> None:
    picky = Picky(most_bytes=most_bytes)
    _send(picky)
    assert picky.blobs == {digests.of(_DATA): _DATA}
    assert len(picky.chunks) > 1
    assert max(picky.chunks) <= most_bytes


@pytest.mark.parametrize("picky", [Picky(most_bytes=1000), Picky(most_bytes=_MIB, least_chunk=3 * _MIB)])
def test_a_limit_below_all_sense_is_told(picky: Picky) -> None:
    with pytest.raises(errors.Unavailable, match="bytes at once"):
        _send(picky)


def test_chunks_are_no_smaller_than_the_registry_wants() -> None:
    picky = Picky(most_bytes=4 * _MIB, least_chunk=3 * _MIB)
    _send(picky)
    assert picky.blobs == {digests.of(_DATA): _DATA}
    assert picky.chunks[0] >= 3 * _MIB


def test_a_session_that_was_forgotten_is_begun_anew() -> None:
    picky = Picky(most_bytes=2 * _MIB, forgets=2)
    _send(picky)
    assert picky.blobs == {digests.of(_DATA): _DATA}


def test_what_was_only_taken_in_part_is_sent_on_from_there() -> None:
    picky = Picky()
    picky.takes_half = True
    assert sum(_send(picky)) == len(_DATA)
    assert picky.chunks == [len(_DATA) // 2, len(_DATA) // 2]


def test_a_wrong_digest_is_refused_once() -> None:
    picky = Picky()
    with (
        Peer(picky) as peer,
        Remote(Reference.parse(f"{peer.host}/app")) as remote,
        pytest.raises(errors.LabError, match="DIGEST_INVALID"),
    ):
        remote.upload(blob_of(noise(5_000_000, 1)), Bytes(_DATA))
    assert picky.sessions == 1


@pytest.mark.parametrize("length", [4_000_000, 6_000_000])
def test_a_body_of_another_length_is_not_sent(length: int) -> None:
    picky = Picky()
    with (
        Peer(picky) as peer,
        Remote(Reference.parse(f"{peer.host}/app")) as remote,
        pytest.raises(errors.CorruptContent),
    ):
        remote.upload(blob_of(_DATA), Bytes(noise(length)))
    assert picky.blobs == {}


@pytest.fixture
def ours(tmp_path: Path) -> Iterator[registries.Registry]:
    with registries.ours(tmp_path / "ours", auth="none") as registry:
        yield registry


def test_an_upload_goes_on_where_it_broke_off(ours: registries.Registry) -> None:
    with cable.laid(ours.host) as wire:
        wire.cut_after(up=4 << 20)
        with Remote(Reference.parse(f"{wire.host}/app/blob")) as remote:
            remote.upload(blob_of(_DATA), Bytes(_DATA))
            assert remote.has_blob(blob_of(_DATA))
        assert wire.cuts == 1
        # What the registry had not yet written when it was cut off is sent again, but not all.
        assert wire.moved["up"] < len(_DATA) + (3 << 20)
