"""Who may do what, from outside, by each kind of login: private and public repositories, and the API."""

from __future__ import annotations

import importlib
import json
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from containerlab.distribution import api
from containerlab.distribution.api.operation import PREFIX, Noun, Operation, operations
from containerlab.oci import digest as digests
from tests import registries
from tests.distribution import documents
from tests.distribution.wire import Answer, Client, connected
from tests.registries import Registry

pytestmark = pytest.mark.slow

PASSWORD = "a password of some length"
PEOPLE = ("nobody", "stranger", "reader", "writer", "manager", "admin")
RAW = documents.image()
DIGEST, BLOB = digests.of(RAW), digests.of(documents.EMPTY)
ALLOWED = {
    # what: who may, beginning with the least, in a private and in a public repository
    "pull by tag": ("reader", "nobody"),
    "pull by digest": ("reader", "nobody"),
    "pull a blob": ("reader", "nobody"),
    "list tags": ("reader", "nobody"),
    "list referrers": ("reader", "nobody"),
    "start an upload": ("writer", "writer"),
    "push a tag": ("writer", "writer"),
    "move a tag": ("writer", "writer"),
    "delete a tag": ("writer", "writer"),
    "delete a manifest": ("manager", "manager"),
    "delete a blob": ("manager", "manager"),
}


@pytest.fixture(scope="module", params=["basic", "bearer"])
def registry(request: pytest.FixtureRequest, base: Path) -> Iterator[Registry]:
    with registries.ours(base / f"rights-{request.param}", auth=request.param) as running:
        yield running


@pytest.fixture(scope="module")
def people(registry: Registry) -> Iterator[dict[str, Client]]:
    """A client for each of PEOPLE; reader, writer and manager are so in the organisation `lab`."""
    with connected(registry) as admin, connected(registry, None) as nobody:
        found = {"admin": admin, "nobody": nobody}
        assert _api(admin, "POST", "/organizations", name="lab").status == 201
        for name in PEOPLE[1:-1]:
            assert _api(admin, "POST", "/users", name=name, password=PASSWORD).status == 201
            found[name] = Client(registry, (name, PASSWORD))
        for name, level in (("reader", "read"), ("writer", "write"), ("manager", "manage")):
            right = {"account": name, "scope": "lab/", "level": level}
            assert _api(admin, "PUT", "/rights", **right).status in (200, 201)
        yield found
        for name in PEOPLE[1:-1]:
            found[name].close()


def _api(client: Client, method: str, path: str, **body: Any) -> Answer:
    headers = {"Content-Type": "application/json"}
    return client(method, f"{PREFIX}{path}", body=json.dumps(body).encode(), headers=headers)


def _repository(people: dict[str, Client], name: str, *, is_public: bool) -> str:
    repository = people["admin"].repository(name)
    repository.push_blob(documents.EMPTY)
    repository.push_blob(b"alone")
    for tag in ("one", "two"):
        assert repository.put(tag, RAW, documents.OCI_MANIFEST).status == 201
    path = f"/repositories/{name.replace('/', '%2F')}"
    assert _api(people["admin"], "PATCH", path, is_public=is_public).status == 200
    return name


def _do(client: Client, what: str, name: str) -> Answer:
    """Do something in a repository. The authorization is asked for anew: rights may have changed."""
    client.forget_tokens()
    repository, typed = client.repository(name), {"Content-Type": documents.OCI_MANIFEST}
    method, path, body = {
        "pull by tag": ("GET", "manifests/one", None),
        "pull by digest": ("GET", f"manifests/{DIGEST}", None),
        "pull a blob": ("GET", f"blobs/{BLOB}", None),
        "list tags": ("GET", "tags/list", None),
        "list referrers": ("GET", f"referrers/{DIGEST}", None),
        "start an upload": ("POST", "blobs/uploads/", None),
        "push a tag": ("PUT", "manifests/new", RAW),
        "move a tag": ("PUT", "manifests/two", RAW),
        "delete a tag": ("DELETE", "manifests/two", None),
        "delete a manifest": ("DELETE", f"manifests/{DIGEST}", None),
        "delete a blob": ("DELETE", f"blobs/{digests.of(b'alone')}", None),
    }[what]
    return repository(method, path, body=body, headers=typed if body else {})


@pytest.mark.parametrize("is_public", [False, True], ids=["private", "public"])
@pytest.mark.parametrize("person", PEOPLE)
def test_everybody_may_what_is_theirs_and_no_more(
    people: dict[str, Client], person: str, is_public: bool
) -> None:
    name = _repository(
        people, f"lab/for-{person}-{'public' if is_public else 'private'}", is_public=is_public
    )
    for what, least in ALLOWED.items():
        answer = _do(people[person], what, name)
        if PEOPLE.index(person) >= PEOPLE.index(least[is_public]):
            assert answer.status < 300, (what, answer)
        else:
            assert answer.status in (401, 403, 404), (what, answer)
            assert RAW not in answer.body, what


@pytest.mark.parametrize("person", ["nobody", "stranger"])
def test_what_may_not_be_read_looks_as_if_it_were_not_there(people: dict[str, Client], person: str) -> None:
    """A stranger does not learn which names are taken."""
    hidden, missing = _repository(people, "lab/hidden", is_public=False), "lab/missing"
    for what in ALLOWED:
        first, second = (_do(people[person], what, name) for name in (hidden, missing))
        assert (first.status, first.codes) == (second.status, second.codes), what
        texts = [
            each.body.decode().replace(name, "NAME") for each, name in ((first, hidden), (second, missing))
        ]
        assert texts[0] == texts[1], what


def test_the_catalog_shows_what_may_be_read(people: dict[str, Client]) -> None:
    private = _repository(people, "lab/catalog-private", is_public=False)
    public = _repository(people, "lab/catalog-public", is_public=True)
    for person in PEOPLE:
        people[person].forget_tokens()
        answer = people[person]("GET", "/v2/_catalog?n=1000")
        listed = answer.json.get("repositories", []) if answer.status == 200 else []
        assert (private in listed) == (person not in ("nobody", "stranger")), person
        assert person == "nobody" or public in listed, person


def test_a_session_is_its_openers_alone(people: dict[str, Client]) -> None:
    name = _repository(people, "lab/sessions", is_public=False)
    location = people["writer"].repository(name).start()
    for person in ("nobody", "stranger", "reader", "manager"):
        for method, body in (("GET", None), ("PATCH", b"foreign"), ("DELETE", None)):
            assert people[person](method, location, body=body).status in (401, 403, 404), (person, method)
    assert people["writer"].repository(name).finish(location, digests.of(b"mine"), b"mine").status == 201


def test_a_mount_needs_the_right_to_read_its_source(people: dict[str, Client]) -> None:
    """A digest is no right (CVE-2024-39897)."""
    admin = people["admin"]
    assert _api(admin, "POST", "/organizations", name="other").status == 201
    right = {"account": "stranger", "scope": "other/", "level": "write"}
    assert _api(admin, "PUT", "/rights", **right).status in (200, 201)
    secret = b"a private layer"
    digest = admin.repository("lab/source").push_blob(secret)
    stranger = people["stranger"].repository("other/target")
    people["stranger"].forget_tokens()
    for query in (f"mount={digest}&from=lab/source", f"mount={digest}"):
        answer = stranger("POST", f"blobs/uploads/?{query}")
        assert answer.status == 202
        assert stranger("HEAD", f"blobs/{digest}").status == 404
    stranger.push_blob(documents.EMPTY)
    raw = documents.image(documents.EMPTY, (secret,))
    answer = stranger.put("stolen", raw, documents.OCI_MANIFEST)
    assert answer.status in (400, 404)
    assert stranger("GET", f"blobs/{digest}").status == 404
    # Who has the bytes may push them: then they have proven it.
    assert stranger.push_blob(secret) == digest


def test_nobody_makes_an_organisation_by_pushing(people: dict[str, Client]) -> None:
    for person in ("nobody", "stranger", "reader", "manager"):
        answer = people[person].repository(f"own-{person}/thing")("POST", "blobs/uploads/")
        assert answer.status in (401, 403, 404), person
        answer = people[person].repository("thing")("POST", "blobs/uploads/")
        assert answer.status in (401, 403, 404), person


def test_a_disabled_account_may_nothing_at_once(people: dict[str, Client]) -> None:
    """Its tokens that are still young too."""
    admin, name = people["admin"], _repository(people, "lab/disabled", is_public=False)
    assert _api(admin, "POST", "/users", name="leaver", password=PASSWORD).status == 201
    right = {"account": "leaver", "scope": "lab/", "level": "write"}
    assert _api(admin, "PUT", "/rights", **right).status in (200, 201)
    with connected(admin.registry, ("leaver", PASSWORD)) as leaver:
        path = f"/v2/{name}/manifests/one"
        authorization = leaver.authorization(path)
        assert leaver("GET", path, authorization=authorization).status == 200
        assert _api(admin, "PATCH", "/users/leaver", is_disabled=True).status == 200
        assert leaver("GET", path, authorization=authorization).status == 401
        assert _api(admin, "PATCH", "/users/leaver", is_disabled=False).status == 200
        # A right that is taken away counts at once too.
        authorization = leaver.authorization(path) if leaver.registry.auth == "basic" else None
        leaver.forget_tokens()
        assert leaver("GET", path, authorization=authorization).status == 200
        query = "?account=leaver&scope=lab%2F"
        assert admin("DELETE", f"{PREFIX}/rights{query}").status in (200, 204)
        assert leaver("GET", path, authorization=authorization).status in (401, 403, 404)


@pytest.mark.parametrize("tag", ["latest", "v1", "v1.0"])
def test_immutable_tags_stay(people: dict[str, Client], tag: str) -> None:
    """`latest` too (CVE-2026-31801)."""
    admin = people["admin"]
    name = _repository(people, f"lab/immutable-{tag.replace('.', '-')}", is_public=False)
    repository = admin.repository(name)
    first, second = RAW, documents.image(annotations={"n": "2"})
    assert repository.put(tag, first, documents.OCI_MANIFEST).status == 201
    rule = _api(admin, "POST", "/immutability", scope=name)
    assert rule.status == 201, rule
    for person in ("writer", "manager", "admin"):
        people[person].forget_tokens()
        theirs = people[person].repository(name)
        for path in (tag, f"{digests.of(second)}?tag={tag}"):
            answer = theirs.put(path, second, documents.OCI_MANIFEST)
            assert answer.status in (403, 409), answer
            assert answer.codes == ["DENIED"]
        assert theirs("DELETE", f"manifests/{tag}").status in (403, 405, 409)
        assert theirs("DELETE", f"manifests/{digests.of(first)}").status in (401, 403, 405, 409)
        assert theirs("GET", f"manifests/{tag}").body == first
        # The same again changes nothing.
        assert theirs.put(tag, first, documents.OCI_MANIFEST).status == 201


def _all_operations() -> list[Operation]:
    for module in pkgutil.iter_modules(api.__path__):
        importlib.import_module(f"{api.__name__}.{module.name}")
    return [each for noun in Noun.__subclasses__() for each in operations(noun)]


@pytest.mark.parametrize("operation", _all_operations(), ids=lambda each: each.name)
def test_every_operation_asks_who_wants_it(people: dict[str, Client], operation: Operation) -> None:
    if operation.who == "anybody":
        pytest.skip("anybody may")
    path = PREFIX + re.sub(r"\{(\w+)\}", "lab", operation.path)
    body = b"{}" if operation.has_body else None
    headers = {"Content-Type": "application/json"} if body else {}
    answer = people["nobody"](operation.method, path, body=body, headers=headers)
    assert answer.status in (401, 404), answer
    if operation.who == "administrator":
        for person in ("stranger", "manager"):
            answer = people[person](operation.method, path, body=body, headers=headers)
            assert answer.status in (400, 403, 404, 422), (person, answer)
