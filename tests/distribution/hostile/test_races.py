"""Many who want the same at once, at three processes: one wins, and limits hold."""

from __future__ import annotations

import concurrent.futures
import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from containerlab.oci import digest as digests
from tests import registries
from tests.distribution import documents
from tests.distribution.wire import Answer, Client, connected
from tests.registries import Registry

pytestmark = pytest.mark.slow

_CROWD = 12


@pytest.fixture(scope="module")
def registry(base: Path) -> Iterator[Registry]:
    with registries.ours(base / "races", auth="none", workers=3) as running:
        yield running


@pytest.fixture(scope="module")
def client(registry: Registry) -> Iterator[Client]:
    with connected(registry) as client:
        yield client


def _api(client: Client, method: str, path: str, **body: Any) -> Answer:
    headers = {"Content-Type": "application/json"}
    answer = client(method, f"/api/v1{path}", body=json.dumps(body).encode(), headers=headers)
    assert answer.status in (200, 201), answer
    return answer


def _at_once(registry: Registry, act: Callable[[Client, int], Answer]) -> Counter[int]:
    """Let a crowd do something, each with a connection of its own; return how often each status came."""

    def one(number: int) -> int:
        with connected(registry) as client:
            return act(client, number).status

    with concurrent.futures.ThreadPoolExecutor(_CROWD) as pool:
        return Counter(pool.map(one, range(_CROWD)))


def _put(client: Client, path: str, number: int, **headers: str) -> Answer:
    """Put a manifest that nobody else puts."""
    raw = documents.image(annotations={"number": str(number)})
    typed = {"Content-Type": documents.OCI_MANIFEST, **headers}
    return client("PUT", path, body=raw, headers=typed)


def test_an_immutable_tag_is_one_pushers(registry: Registry, client: Client) -> None:
    _api(client, "POST", "/organizations", name="fixed")
    _api(client, "POST", "/immutability", scope="fixed/")
    client.repository("fixed/x").push_blob(documents.EMPTY)
    for tag in ("a", "b", "c"):
        path = f"/v2/fixed/x/manifests/{tag}"
        assert _at_once(registry, lambda each, n, path=path: _put(each, path, n)) == {201: 1, 403: _CROWD - 1}


def test_a_tag_that_must_be_new_is_one_pushers(registry: Registry, client: Client) -> None:
    client.repository("new/x").push_blob(documents.EMPTY)
    path, new = "/v2/new/x/manifests/a", {"If-None-Match": "*"}
    assert _at_once(registry, lambda each, n: _put(each, path, n, **new)) == {201: 1, 412: _CROWD - 1}


def test_a_tag_leads_to_one_of_those_pushed(registry: Registry, client: Client) -> None:
    client.repository("moved/x").push_blob(documents.EMPTY)
    path = "/v2/moved/x/manifests/a"
    assert _at_once(registry, lambda each, n: _put(each, path, n)) == {201: _CROWD}
    found = client("GET", path)
    assert digests.of(found.body) == found["Docker-Content-Digest"]


def test_a_quota_is_not_outrun(registry: Registry, client: Client) -> None:
    _api(client, "POST", "/organizations", name="small")
    _api(client, "PUT", "/quotas/small", limit_bytes=1_000_000)

    def push(each: Client, number: int) -> Answer:
        data = bytes([number]) * 300_000
        return each("POST", f"/v2/small/x/blobs/uploads/?digest={digests.of(data)}", body=data)

    assert _at_once(registry, push) == {201: 3, 403: _CROWD - 3}
    assert client("GET", "/api/v1/quotas/small").json["used_bytes"] == 900_000


def test_a_repository_is_made_once(registry: Registry, client: Client) -> None:
    def begin(each: Client, number: int) -> Answer:
        data = b"the same for all"
        return each("POST", f"/v2/made/x/blobs/uploads/?digest={digests.of(data)}", body=data)

    assert _at_once(registry, begin) == {201: _CROWD}
    assert client("GET", "/v2/_catalog?n=1000").json["repositories"].count("made/x") == 1
