"""What one connection can cost: time and memory have bounds, and what was sent is not lost by them."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from containerlab.oci import digest as digests
from tests import registries
from tests.containers import until
from tests.distribution import wire

IDLE_S = 0.7
DATA = os.urandom(20 << 20)


@pytest.fixture(scope="module")
def registry(base: Path) -> Iterator[registries.Registry]:
    """Yield a registry with little patience."""
    settings = {"idle_s": IDLE_S}
    with registries.ours(base / "impatient", auth="none", settings=settings) as running:
        yield running


@pytest.fixture
def repository(registry: registries.Registry) -> Iterator[wire.Repository]:
    with wire.connected(registry) as client:
        yield client.repository("lab/base")


@pytest.fixture
def line(registry: registries.Registry) -> Iterator[socket.socket]:
    with dial(registry) as line:
        yield line


@contextlib.contextmanager
def dial(registry: registries.Registry) -> Iterator[socket.socket]:
    """Connect; what is to be sent has to be sent soon."""
    with socket.create_connection(("127.0.0.1", int(registry.url.rpartition(":")[2]))) as line:
        line.settimeout(30)
        yield line


def rest(line: socket.socket) -> bytes:
    """Return all that comes until the other side ends the connection."""
    found = b""
    try:
        while piece := line.recv(1 << 20):
            found += piece
    except ConnectionResetError:
        pass
    return found


@pytest.mark.parametrize("begun", [b"", b"GET /v2/ HT", b"GET /v2/ HTTP/1.1\r\nHost: x\r\nA: "])
def test_a_head_that_does_not_end_is_not_waited_for(line: socket.socket, begun: bytes) -> None:
    line.sendall(begun)
    assert rest(line) == b""


def test_a_second_head_that_does_not_end_is_not_waited_for(line: socket.socket) -> None:
    line.sendall(b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n")
    answer = b""
    while not answer.endswith(b"\r\n\r\n{}"):
        answer += line.recv(65536)
    line.sendall(b"GET /v2/ HT")
    assert rest(line) == b""


def test_a_body_that_does_not_come_is_refused_and_what_came_is_kept(repository: wire.Repository) -> None:
    location = repository.start()
    head = f"PATCH {location} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"
    with dial(repository.client.registry) as line:
        line.sendall(head.encode() + bytes(600))
        answer = rest(line)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b'"code":"BLOB_UPLOAD_INVALID"' in answer
    assert repository.client("GET", location)["Range"] == "0-599"


def test_an_answer_that_nobody_reads_is_given_up(repository: wire.Repository) -> None:
    digest = repository.push_blob(DATA)
    registry = repository.client.registry
    with dial(registry) as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        line.sendall(f"GET /v2/lab/base/blobs/{digest} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert line.recv(1) == b"H"  # it has begun
        until(lambda: not is_open(registry.process.pid, digest))
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        assert len(rest(line)) < len(DATA)


def is_open(pid: int, digest: str) -> bool:
    """Tell whether a process has a blob open."""
    name = digest.partition(":")[2]
    for entry in os.scandir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            if os.readlink(entry.path).endswith(name):
                return True
    return False


@pytest.mark.parametrize(
    "head",
    [b"GET /v2/ HTTP/1.1\r\nHost: x\r\nA: " + b"x" * 200_000, b"GET /v2/" + b"x" * 200_000],
    ids=["field", "path"],
)
def test_a_head_that_is_too_long_is_refused(line: socket.socket, head: bytes) -> None:
    try:
        line.sendall(head)
    except ConnectionError:
        return
    answer = rest(line)
    assert not answer or answer.startswith(b"HTTP/1.1 400 ")


def test_a_large_body_is_no_long_head(repository: wire.Repository) -> None:
    """The rest of a body and the next head may come in one piece."""
    for size in (65_000, 66_000, 300_000):
        for _ in range(3):
            data = os.urandom(size)
            assert repository.push_blob(data) == digests.of(data)


def test_who_is_refused_in_the_middle_of_sending_learns_why(registry: registries.Registry) -> None:
    with wire.connected(registry) as client:
        answer = client("PATCH", f"/v2/lab/base/blobs/uploads/{'0' * 32}", body=DATA)
        assert (answer.status, answer.codes) == (404, ["BLOB_UPLOAD_UNKNOWN"])
        answer = client("PUT", "/v2/lab/base/manifests/1", body=DATA)
        assert (answer.status, answer.codes) == (413, ["SIZE_INVALID"])
