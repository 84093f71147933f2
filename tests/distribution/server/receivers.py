"""A receiver of webhooks: a real HTTP server that answers as it is told and keeps what it got."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any, NamedTuple

from tests import http_server

__all__ = ["Got", "Receiver", "receiver", "wait_until"]

_PATIENCE_S = 30.0


class Got(NamedTuple):
    """A request; the names of headers are in lower case."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Receiver:
    """Answers with the statuses of `answers`, one after the other, then always 204.

    While `gate` is closed, it does not answer.
    """

    def __init__(self) -> None:
        self.answers: list[tuple[int, dict[str, str]]] = []
        self.got: list[Got] = []
        self.changed = threading.Condition()
        self.gate = threading.Event()
        self.gate.set()
        self.url = ""

    def take(self, got: Got) -> tuple[int, dict[str, str]]:
        with self.changed:
            self.got.append(got)
            self.changed.notify_all()
            answer = self.answers.pop(0) if self.answers else (204, {})
        self.gate.wait(_PATIENCE_S)
        return answer

    def wait(self, count: int) -> list[Got]:
        """Wait until so many requests have come, and return them."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.got) >= count, _PATIENCE_S), self.got
            return list(self.got)


@contextlib.contextmanager
def receiver(address: str = "127.0.0.1") -> Iterator[Receiver]:
    """Run one."""
    found = Receiver()
    with http_server.serving(_handler(found), address) as port:
        found.url = f"http://{address}:{port}/hook"
        try:
            yield found
        finally:
            found.gate.set()


def _handler(taker: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.do_POST()

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"] or 0))
            status, headers = taker.take(
                Got(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
            )
            with contextlib.suppress(OSError):
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler


def wait_until(condition: Callable[[], object], what: str = "") -> None:
    """Wait for what another process or thread does."""
    waiting = threading.Event()
    for _ in range(int(_PATIENCE_S / 0.02)):
        if condition():
            return
        waiting.wait(0.02)
    raise AssertionError(f"it did not happen: {what or condition}")
