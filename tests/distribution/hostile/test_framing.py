"""Section 6: requests whose ends are not where they say, and such as never end."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from containerlab.oci import digest as digests
from tests.containers import until
from tests.distribution import documents
from tests.distribution.hostile.raw import Line, dial
from tests.distribution.wire import Client, Repository
from tests.registries import Registry

pytestmark = pytest.mark.slow

DATA = bytes(range(256)) * 64
CHUNKED = "Transfer-Encoding: chunked"


@pytest.fixture
def line(registry: Registry, client: Client) -> Iterator[Line]:
    with dial(registry, client.authorization("/v2/")) as found:
        yield found


def _victim(repository: Repository) -> str:
    """Return a tag that a smuggled request would delete."""
    assert repository.put("victim", documents.image(), documents.OCI_MANIFEST).status == 201
    return f"/v2/{repository.name}/manifests/victim"


@pytest.mark.parametrize(
    "fields",
    [
        ("Content-Length: 5", "Content-Length: 60"),
        ("Content-Length: 5, 60",),
        ("Content-Length: +5",),
        ("Content-Length: 5x",),
        ("Content-Length: -1",),
        ("Content-Length: 0x5",),
        ("Content-Length: " + "9" * 30,),
        ("Transfer-Encoding: gzip",),
        ("Transfer-Encoding: chunked, gzip",),
        ("Transfer-Encoding: nonsense",),
        ("Transfer-Encoding : chunked",),
    ],
    ids=str,
)
def test_a_length_that_is_none_ends_the_connection(
    repository: Repository, line: Line, fields: tuple[str, ...]
) -> None:
    path = _victim(repository)
    smuggled = line.head(f"DELETE {path}")
    location = f"/v2/{repository.name}/blobs/uploads/"
    line.send(line.head(f"POST {location}", *fields) + b"12345" + smuggled)
    status, _, _ = line.answer("POST")
    assert status in (400, 413, 501)
    assert line.is_closed()
    assert repository("HEAD", "manifests/victim").status == 200


def test_a_length_and_chunks_are_refused_or_end_the_connection(repository: Repository, line: Line) -> None:
    """RFC 9112 6.1."""
    path = _victim(repository)
    smuggled = line.head(f"DELETE {path}")
    fields = (CHUNKED, f"Content-Length: {5 + len(smuggled)}")
    line.send(line.head(f"POST /v2/{repository.name}/blobs/uploads/", *fields) + b"0\r\n\r\n" + smuggled)
    status, _, _ = line.answer("POST")
    assert status in (202, 400)
    assert line.is_closed()
    assert repository("HEAD", "manifests/victim").status == 200


@pytest.mark.parametrize(
    "chunks",
    [
        b"zz\r\nhello\r\n0\r\n\r\n",
        b"-5\r\nhello\r\n0\r\n\r\n",
        b"5\r\nhello!!\r\n0\r\n\r\n",
        b"fffffffffffffffffffff\r\nhello\r\n0\r\n\r\n",
        b"5;" + b"x" * 100_000 + b"\r\nhello\r\n0\r\n\r\n",
        b"5\nhello\n0\n\n",
    ],
    ids=["no-number", "negative", "too-long", "endless", "extension", "bare-newlines"],
)
def test_chunks_that_lie_are_refused(repository: Repository, line: Line, chunks: bytes) -> None:
    location = repository.start()
    path = location.partition(repository.client.registry.host)[2] or location
    line.send(line.head(f"PATCH {path}", CHUNKED) + chunks)
    with contextlib.suppress(ConnectionError):
        status, _, _ = line.answer("PATCH")
        assert status in (202, 400, 413)
        assert status != 202 or chunks.startswith((b"5;", b"5\n"))
    answer = repository.client("GET", location)
    assert answer.status in (204, 404)
    if answer.status == 204:  # nothing that was not sent
        assert answer["Range"] in (None, "0-0", "0--1", "0-4")


@pytest.mark.parametrize("way", ["length", "chunks"])
@pytest.mark.parametrize("method", ["PATCH", "PUT"])
def test_an_upload_that_is_cut_off_can_go_on(
    registry: Registry, repository: Repository, way: str, method: str
) -> None:
    client, digest = repository.client, digests.of(DATA)
    location = repository.start()
    path = location.partition(registry.host)[2] or location
    if method == "PUT":
        path = f"{path}{'&' if '?' in path else '?'}digest={digest}"
    with dial(registry, client.authorization("/v2/")) as line:
        if way == "length":
            line.send(line.head(f"{method} {path}", f"Content-Length: {len(DATA)}") + DATA[:5000])
        else:
            line.send(
                line.head(f"{method} {path}", CHUNKED)
                + b"1388\r\n"
                + DATA[:5000]
                + b"\r\n100\r\n"
                + DATA[5000:5003]
            )
    until(lambda: _is_resumed(repository, location, digest))
    assert repository("GET", f"blobs/{digest}").body == DATA


def _is_resumed(repository: Repository, location: str, digest: str) -> bool:
    """Go on from where the registry says, or anew; tell whether that was the end of it.

    It is not while the server has not noticed yet that the other one has gone.
    """
    assert repository("HEAD", f"blobs/{digest}").status == 404
    answer = repository.client("GET", location)
    if answer.status == 404:
        return repository.finish(repository.start(), digest, DATA).status == 201
    assert answer.status == 204
    last = int((answer["Range"] or "").removeprefix("0-"))
    assert last < 5003
    have = last + 1 if last else 0
    rest = {"Content-Range": f"{have}-{len(DATA) - 1}"}
    finished = repository.finish(str(answer["Location"]), digest, DATA[have:], **rest)
    assert finished.status in (201, 416), finished
    return finished.status == 201


def test_who_waits_for_a_sign_gets_one(registry: Registry, repository: Repository, line: Line) -> None:
    """curl's Expect: 100-continue."""
    location = repository.start()
    path = location.partition(registry.host)[2] or location
    line.send(line.head(f"PATCH {path}", f"Content-Length: {len(DATA)}", "Expect: 100-continue"))
    assert line._reader.readline().startswith(b"HTTP/1.1 100")
    assert line._reader.readline() == b"\r\n"
    line.send(DATA)
    assert line.answer("PATCH")[0] == 202


def test_a_manifest_that_is_too_large_is_refused_before_it_comes(
    repository: Repository, line: Line, refused: Any
) -> None:
    path = f"/v2/{repository.name}/manifests/huge"
    fields = (f"Content-Length: {64 << 20}", f"Content-Type: {documents.OCI_MANIFEST}")
    with refused():
        line.send(line.head(f"PUT {path}", *fields) + b"{")
        assert line.answer("PUT")[0] == 413


def test_a_manifest_without_an_end_is_refused(repository: Repository, line: Line, refused: Any) -> None:
    path = f"/v2/{repository.name}/manifests/huge"
    with refused():
        line.send(line.head(f"PUT {path}", CHUNKED, f"Content-Type: {documents.OCI_MANIFEST}"))
        for _ in range(16):
            line.send(b"100000\r\n" + b"x" * (1 << 20) + b"\r\n")
        assert line.answer("PUT")[0] == 413


@pytest.mark.parametrize(
    "request_",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET\r\n\r\n",
        b"GET /v2/\r\n\r\n",
        b"GET /v2/ HTTP/9.9\r\nHost: x\r\n\r\n",
        b"G\x00T /v2/ HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v2/ HTTP/1.1\r\nHost x\r\n\r\n",
        b"GET /v2/ HTTP/1.1\r\nHost: x\r\nA: " + b"x" * 200_000 + b"\r\n\r\n",
        b"GET /v2/ HTTP/1.1\r\nHost: x\r\n" + b"A: x\r\n" * 20_000 + b"\r\n",
        b"GET /v2/" + b"x" * 200_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\r\n" * 1000,
    ],
    ids=["tls", "no-path", "http-0.9", "version", "nul", "field", "long", "many", "path", "http2", "empty"],
)
def test_what_is_no_request_ends(registry: Registry, line: Line, request_: bytes) -> None:
    line.send(request_)
    line.half_close()
    with contextlib.suppress(ConnectionError):
        answer = b"".join(iter(lambda: line._reader.read(65536), b""))
        assert not answer.startswith(b"HTTP/1.1 5") or b" 501" in answer[:13] or b" 505" in answer[:13]


def test_other_requests_are_served_while_forty_are_silent(
    registry: Registry, client: Client, repository: Repository
) -> None:
    """Slow loris: uploads that send a head, or a part of one, and wait."""
    digest = repository.push_blob(DATA)
    with ExitStack() as stack:
        locations = []
        for number in range(40):
            silent = stack.enter_context(dial(registry, client.authorization("/v2/")))
            location = repository.start()
            path = location.partition(registry.host)[2] or location
            whole = silent.head(f"PATCH {path}", f"Content-Length: {1 << 20}")
            silent.send(whole[:40] if number % 2 else whole + b"a byte or two")
            locations.append(location)
        for _ in range(20):
            assert repository("GET", f"blobs/{digest}").body == DATA
        assert repository.push_blob(b"pushed meanwhile")
    for location in locations[:4]:
        assert client("GET", location).status in (204, 404)


def test_a_pull_that_nobody_reads_holds_up_nobody(
    registry: Registry, client: Client, repository: Repository
) -> None:
    big = DATA * 1024  # 16 MiB
    digest = repository.push_blob(big)
    with ExitStack() as stack:
        for _ in range(40):
            lazy = stack.enter_context(dial(registry, client.authorization("/v2/")))
            lazy.send(lazy.head(f"GET /v2/{repository.name}/blobs/{digest}"))
        for _ in range(20):
            assert repository("HEAD", f"blobs/{digest}").status == 200
        assert repository("GET", f"blobs/{digest}").body == big


def test_requests_in_one_breath_are_answered_in_order(repository: Repository, line: Line) -> None:
    """Pipelining."""
    one = f"/v2/{repository.name}/blobs/{digests.of(b'{}')}"
    line.send(line.head(f"GET {one}") + line.head(f"HEAD {one}") + line.head(f"GET {one}x"))
    assert line.answer()[2] == b"{}"
    assert line.answer("HEAD")[0] == 200
    assert line.answer()[0] in (400, 404)
