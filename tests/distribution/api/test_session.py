"""The API for the page's own scripts: a session's cookie, and its token for what changes something."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from containerlab.distribution.server.page import sessions
from containerlab.distribution.server.registry import Registry, Settings
from containerlab.distribution.server.rights import Identity
from tests.registries import Registry as Server
from tests.registries import ours


@pytest.fixture(scope="module")
def server(base: Path) -> Iterator[Server]:
    with ours(base / "api-session") as server:
        yield server


@pytest.fixture(scope="module")
def cookie(server: Server) -> str:
    """Return the cookie of an administrator who has signed in."""
    registry = Registry(Settings(storage=str(server.storage)))
    with registry.reader.reading() as connection:
        (revision,) = connection.execute(
            "SELECT revision FROM accounts WHERE name = ?", (server.user,)
        ).fetchone()
    key = sessions.start(registry, Identity(name=server.user, is_admin=True, revision=revision))
    registry.close()
    return f"conlab{urlsplit(server.url).port}={key}"


def _ask(server: Server, method: str, path: str, **headers: str) -> tuple[int, dict[str, object], str]:
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=30)
    try:
        body = b'{"name":"lab"}' if method == "POST" else None
        connection.request(method, f"/api/v1{path}", body, {"Content-Type": "application/json", **headers})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read()), answer.headers.get("WWW-Authenticate", "")
    finally:
        connection.close()


def test_a_session_reads_and_with_its_token_writes(server: Server, cookie: str) -> None:
    assert _ask(server, "GET", "/users", Cookie=cookie)[0] == 200
    status, problem, _ = _ask(server, "POST", "/organizations", Cookie=cookie)
    assert (status, problem["detail"]) == (403, "the request lacks the X-CSRF-Token of the page")
    wrong = {"Cookie": cookie, "X-CSRF-Token": "0" * 64}
    assert _ask(server, "POST", "/organizations", **wrong)[0] == 403
    token = sessions.token(cookie.partition("=")[2])
    right = {"Cookie": cookie, "X-CSRF-Token": token}
    assert _ask(server, "POST", "/organizations", **right)[0] == 201


def test_a_script_without_a_session_is_asked_for_no_password_by_the_browser(server: Server) -> None:
    status, problem, challenge = _ask(server, "GET", "/users", Cookie="conlab1=nothing")
    assert (status, problem["type"]) == (401, "urn:containerlab:NotPermitted")
    assert challenge.startswith("Bearer ")
    assert _ask(server, "GET", "/users")[2].startswith("Basic ")
