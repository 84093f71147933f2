"""Waiting for a server, and counting what goes to it."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from containerlab.errors import TimedOut
from containerlab.experiments.claims.counting_proxy import CountingProxy
from containerlab.experiments.claims.instances import free_port
from containerlab.experiments.claims.knocking import answered_at

pytestmark = pytest.mark.timeout(60)


@contextlib.contextmanager
def _echoing(port: int = 0) -> Iterator[int]:
    """Serve whoever connects with what they send, until the block ends."""
    with socket.create_server(("127.0.0.1", port)) as server:
        thread = threading.Thread(target=_serve, args=(server,))
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


def _serve(server: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while True:
            with server.accept()[0] as connection:
                while piece := connection.recv(4096):
                    connection.sendall(piece)


def test_a_server_that_is_there_answers() -> None:
    before = time.monotonic()
    with _echoing() as port:
        assert before < answered_at(("127.0.0.1", port), 30) <= time.monotonic()


def test_nobody_there_is_said() -> None:
    with pytest.raises(TimedOut, match="nobody answered at"):
        answered_at(("127.0.0.1", free_port()), 0.1)


def test_a_host_that_accepts_for_nobody_is_no_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(TimedOut):
        answered_at(silent.getsockname(), 0.1)


@pytest.mark.slow
def test_a_server_that_comes_later_is_found() -> None:
    port = free_port()
    found: list[float] = []
    knocking = threading.Thread(target=lambda: found.append(answered_at(("127.0.0.1", port), 30)))
    knocking.start()
    with _echoing(port):
        knocking.join()
    assert found


def test_a_proxy_counts_both_ways() -> None:
    with _echoing() as port, CountingProxy(port) as proxy:
        with socket.create_connection(("127.0.0.1", proxy.port)) as connection:
            connection.sendall(b"12345")
            assert connection.recv(5, socket.MSG_WAITALL) == b"12345"
        assert proxy.passed_bytes == 10


def test_a_proxy_ends_with_connections_that_are_open() -> None:
    with _echoing() as port:
        with CountingProxy(port) as proxy:
            connection = socket.create_connection(("127.0.0.1", proxy.port))
            connection.sendall(b"1")
            assert connection.recv(1) == b"1"
        assert connection.recv(1) == b""
        connection.close()
