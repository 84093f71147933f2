"""What rules refuse over the protocol: immutable tags, full organisations; and what the audit log says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from containerlab.distribution.api.client import Client as ApiClient
from containerlab.distribution.api.registry_api import RegistryApi
from containerlab.oci import digest as digests
from tests.distribution import documents
from tests.distribution.api.serving import Direct
from tests.distribution.documents import OCI_MANIFEST
from tests.distribution.wire import Client, Repository, connected
from tests.registries import Registry, ours

ONE, TWO = documents.image(b"{}", (b"one",)), documents.image(b"{}", (b"two",))


@pytest.fixture(scope="module")
def server(base: Path) -> Iterator[Registry]:
    with ours(base / "refusals", auth="basic") as server:
        yield server


@pytest.fixture(scope="module")
def client(server: Registry) -> Iterator[Client]:
    with connected(server) as client:
        yield client


@pytest.fixture(scope="module")
def api(server: Registry) -> RegistryApi:
    return RegistryApi(ApiClient(Direct(int(server.host.rpartition(":")[2]), server.user, server.password)))


@pytest.fixture
def repository(client: Client, request: pytest.FixtureRequest) -> Repository:
    """Return a repository of an organisation of its own that has the blobs of two images."""
    found = client.repository(f"{request.node.name.replace('_', '-').lower()[:40].strip('-')}/base")
    for blob in (b"{}", b"one", b"two"):
        found.push_blob(blob)
    return found


def _organization(repository: Repository) -> str:
    return repository.name.partition("/")[0]


def test_immutable_latest_is_neither_moved_nor_deleted(repository: Repository, api: RegistryApi) -> None:
    assert repository.put("latest", ONE, OCI_MANIFEST).status == 201
    rule = api.immutability.set(repository.name)
    assert repository.put("latest", ONE, OCI_MANIFEST).status == 201  # what it is already
    for answer in (
        repository.put("latest", TWO, OCI_MANIFEST),
        repository.put(digests.of(TWO) + "?tag=latest", TWO, OCI_MANIFEST),
        repository("DELETE", "manifests/latest"),
        repository("DELETE", f"manifests/{digests.of(ONE)}"),
    ):
        assert (answer.status, answer.codes) == (403, ["DENIED"])
        assert "is immutable" in answer.json["errors"][0]["message"]
    assert repository("GET", "manifests/latest").body == ONE
    assert repository.put("new", TWO, OCI_MANIFEST).status == 201
    (event,) = [each for each in api.events.list(repository=repository.name).items if each.kind == "denied"][
        :1
    ]
    assert "latest is immutable" in event.detail
    api.immutability.remove(rule.id)
    assert repository.put("latest", TWO, OCI_MANIFEST).status == 201


def test_an_upload_beyond_the_quota_is_refused_at_once(repository: Repository, api: RegistryApi) -> None:
    organization = _organization(repository)
    api.quotas.set(organization, api.quotas.inspect(organization).used_bytes + 1000)
    location = repository.start()
    answer = repository.finish(location, digests.of(b"x" * 2000), b"x" * 2000)
    assert (answer.status, answer.codes) == (403, ["DENIED"])
    assert "left of its quota" in answer.json["errors"][0]["message"]
    answer = repository.finish(repository.start(), digests.of(b"y" * 2000), [b"y" * 500] * 4)  # chunked
    assert (answer.status, answer.codes) == (403, ["DENIED"])
    repository.push_blob(b"z" * 900)
    assert repository.put("v1", documents.image(b"{}", (b"z" * 900,)), OCI_MANIFEST).status == 403
    api.quotas.set(organization, None)
    assert repository.put("v1", documents.image(b"{}", (b"z" * 900,)), OCI_MANIFEST).status == 201


def test_a_head_promises_what_a_collection_then_leaves(repository: Repository, api: RegistryApi) -> None:
    assert repository("HEAD", f"blobs/{digests.of(b'one')}").status == 200
    assert api.garbage.collect(repository.name).links == 0
    assert repository.put("v1", ONE, OCI_MANIFEST).status == 201
    assert api.garbage.collect(repository.name, grace_s=0).links == 1  # `two`, which nothing needs
    assert repository("HEAD", f"blobs/{digests.of(b'two')}").status == 404
    assert repository("GET", f"blobs/{digests.of(b'one')}").body == b"one"
