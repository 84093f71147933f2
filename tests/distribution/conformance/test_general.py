"""Section 1, general: the version check, errors, names."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from containerlab.oci.distribution import challenges
from tests.distribution import documents
from tests.distribution.wire import Client, Repository, connected
from tests.registries import Registry

pytestmark = pytest.mark.slow


def test_the_base_answers(client: Client) -> None:
    answer = client("GET", "/v2/")
    assert answer.status == 200
    assert answer["Docker-Distribution-Api-Version"] == "registry/2.0"


def test_a_closed_registry_says_how_to_be_asked(registry: Registry) -> None:
    if registry.auth == "none":
        pytest.skip("this one is open")
    with connected(registry, None) as nobody:
        answer = nobody("GET", "/v2/", authorization="")
    assert answer.status == 401
    assert answer.codes == ["UNAUTHORIZED"]
    assert answer["Docker-Distribution-Api-Version"] == "registry/2.0"
    (challenge,) = challenges(answer.headers.get_all("WWW-Authenticate") or [])
    assert challenge.scheme == registry.auth
    assert challenge.parameters["realm"]


def test_a_closed_registry_names_the_scope_that_is_missing(registry: Registry) -> None:
    if registry.auth != "bearer":
        pytest.skip("this one has no scopes")
    with connected(registry, None) as nobody:
        pull = nobody("GET", "/v2/lab/base/manifests/1", authorization="")
        push = nobody("POST", "/v2/lab/base/blobs/uploads/", authorization="")
        mount = nobody(
            "POST",
            f"/v2/lab/base/blobs/uploads/?mount=sha256:{'0' * 64}&from=other/base",
            authorization="",
        )
        catalog = nobody("GET", "/v2/_catalog", authorization="")
    scopes = []
    for answer in (pull, push, mount, catalog):
        assert answer.status == 401
        (challenge,) = challenges(answer.headers.get_all("WWW-Authenticate") or [])
        assert challenge.parameters["service"]
        scopes.append(challenge.parameters["scope"])
    assert scopes[0] == "repository:lab/base:pull"
    assert set(scopes[1].rpartition(":")[2].split(",")) == {"pull", "push"}
    assert "repository:lab/base:pull,push" in scopes[2]
    assert scopes[3] == "registry:catalog:*"


@pytest.mark.parametrize("name", ["a", "0", "a/b/c", "a.b", "a_b", "a__b", "a-b", "a---b", "x" * 200])
def test_legal_names_are_names(client: Client, name: str) -> None:
    repository = client.repository(name)
    digest = repository.push_blob(b"of " + name.encode())
    assert repository("GET", f"blobs/{digest}").body == b"of " + name.encode()


@pytest.mark.parametrize(
    "name", ["Lab", "a..b", "a___b", "-a", "a-", "a/", "a//b", "_a", "a/-b", "ä", "a b", "x" * 256, "a:b"]
)
def test_illegal_names_are_refused(client: Client, name: str) -> None:
    for path in ("manifests/1", "tags/list", f"blobs/sha256:{'0' * 64}"):
        answer = client("GET", f"/v2/{quote(name)}/{path}")
        assert answer.status in (400, 404), answer
        if answer["Content-Type"] != "text/plain; charset=utf-8":  # a path that leads nowhere at all
            assert answer.codes[0] in ("NAME_INVALID", "NAME_UNKNOWN", "UNSUPPORTED"), answer
    assert client("POST", f"/v2/{quote(name)}/blobs/uploads/").status in (400, 404)


@pytest.mark.parametrize("tag", ["a", "A", "_", "1.0", "a-b_c.D", "x" * 128])
def test_legal_tags_are_tags(repository: Repository, tag: str) -> None:
    repository.push_blob(documents.EMPTY)
    assert repository.put(tag, documents.image(), documents.OCI_MANIFEST).status == 201
    assert repository("GET", f"manifests/{tag}").body == documents.image()


@pytest.mark.parametrize("tag", [".a", "-a", "x" * 129, "a+b", "a%2Fb", "%C3%A4", "a%20b", "a:b"])
def test_illegal_tags_are_refused(repository: Repository, tag: str) -> None:
    repository.push_blob(documents.EMPTY)
    answer = repository.put(tag, documents.image(), documents.OCI_MANIFEST)
    assert answer.status in (400, 404), answer
    assert repository("GET", f"manifests/{tag}").status in (400, 404)
    listed = repository("GET", "tags/list")
    assert listed.status == 404 or not listed.json["tags"]


def test_unknown_paths_and_methods_are_errors(client: Client, repository: Repository) -> None:
    assert client("GET", "/v2/lab/base/other/thing").status == 404
    assert repository("POST", "tags/list").status in (404, 405)
    assert repository("PATCH", "manifests/1", body=b"{}").status in (404, 405)
