"""Section 6: clients that say nothing, or nothing more; the server's patience is short here."""

from __future__ import annotations

import os
import resource
import select
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from containerlab.oci import digest as digests
from tests import registries
from tests.containers import until
from tests.distribution.hostile.raw import dial
from tests.distribution.wire import Client, connected
from tests.registries import Registry

pytestmark = pytest.mark.slow

_IDLE_S = 0.5


@pytest.fixture(scope="module")
def hasty(base: Path) -> Iterator[Registry]:
    with registries.ours(base / "hostile-hasty", auth="none", settings={"idle_s": _IDLE_S}) as running:
        yield running


@pytest.fixture(scope="module")
def client(hasty: Registry) -> Iterator[Client]:
    with connected(hasty) as client:
        yield client


@pytest.mark.parametrize(
    "said",
    [b"", b"G", b"GET /v2/ HTTP/1.1\r\nHost: x\r\n", b"GET /v2/ HTTP/1.1\r\nHost: x\r\nA: ", b"\r\n"],
    ids=["nothing", "letter", "head", "field", "newline"],
)
def test_who_says_no_whole_request_is_hung_up_on(hasty: Registry, said: bytes) -> None:
    with dial(hasty) as line:
        line.send(said)
        assert line.is_closed() or line.reads_to_the_end()


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
def test_an_upload_that_falls_silent_ends_and_its_session_stays(
    hasty: Registry, client: Client, method: str
) -> None:
    data = os.urandom(10_000)
    repository = client.repository("lab/silent")
    location = repository.start()
    path = location.partition(hasty.host)[2] or location
    asked = path if method == "PATCH" else f"{path}?digest={digests.of(data)}"
    with dial(hasty) as line:
        line.send(line.head(f"{method} {asked}", f"Content-Length: {len(data)}") + data[:4_000])
        status, _, _ = line.answer(method)
        assert status == 408
        line.half_close()
        assert line.is_closed()
    answer = until(lambda: client("GET", location))
    assert (answer.status, answer["Range"]) == (204, "0-3999")
    ranged = {"Content-Range": "4000-9999"}
    assert repository.finish(location, digests.of(data), data[4_000:], **ranged).status == 201


def test_a_manifest_that_falls_silent_ends(hasty: Registry, client: Client) -> None:
    with dial(hasty) as line:
        line.send(line.head("PUT /v2/lab/silent/manifests/1", "Content-Length: 1000") + b"{")
        assert line.answer("PUT")[0] == 408
        line.half_close()
        assert line.is_closed()


def test_a_pull_that_nobody_reads_ends(hasty: Registry, client: Client) -> None:
    data = bytes(16 << 20)
    digest = client.repository("lab/silent").push_blob(data)
    with dial(hasty) as line:
        line.send(line.head(f"GET /v2/lab/silent/blobs/{digest}"))
        assert until(lambda: not _is_held(hasty, digest))


def _is_held(registry: Registry, digest: str) -> bool:
    """Tell whether the server has a blob open."""
    folder = f"/proc/{registry.process.pid}/fd"
    for number in os.listdir(folder):
        try:
            if digest[7:] in os.readlink(f"{folder}/{number}"):
                return True
        except FileNotFoundError:
            continue
    return False


def test_two_thousand_that_are_silent_keep_nobody_out(hasty: Registry, client: Client) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 4096:
        pytest.skip("this machine allows no more than that")
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, hard))
    host, _, port = hasty.host.rpartition(":")
    try:
        with ExitStack() as stack:
            for _ in range(2000):
                stack.enter_context(socket.create_connection((host, int(port)), timeout=20))
            client.close()
            assert client("GET", "/v2/").status == 200
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_bodies_that_do_not_come_on_are_given_up_wherever_they_were_going(hasty: Registry) -> None:
    """Nobody need have signed in; who was answered before sending a body keeps no connection either."""
    heads = (
        "POST /api/v1/organizations",
        "GET /api/v1/organizations",
        "POST /ui/login",
        "PATCH /ui/uploads/x/content",
        "POST /nothing",
        "GET /v2/",
        "POST /token",
    )
    with ExitStack() as stack:
        lines = [stack.enter_context(dial(hasty)) for _ in (0, 1) for _ in heads]
        for line, head in zip(lines, heads * 2, strict=True):
            line.send(line.head(head, "Content-Length: 100000") + b"x")
        slow, left = lines[len(heads) :], set(lines)
        deadline = time.monotonic() + 20
        while left and time.monotonic() < deadline:
            readable, _, _ = select.select([line.sock for line in left], [], [], 0.2)
            left -= {line for line in left if line.sock in readable and line.has_ended()}
            for line in left.intersection(slow):
                line.send(b"x")
        assert not left
