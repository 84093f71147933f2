"""Every operation and every route, asked by everybody: nobody learns of, or changes, what is not theirs."""

from __future__ import annotations

import contextlib
import html
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
import pytest

from containerlab import errors
from containerlab.distribution.api.operation import Operation
from containerlab.distribution.remote import Remote
from containerlab.distribution.server.api.binding import bound
from containerlab.distribution.server.content import manifests
from containerlab.distribution.server.organizations import repositories
from containerlab.distribution.server.page import contents
from containerlab.distribution.server.replication.outgoing import Outgoing
from containerlab.distribution.server.rights import Identity
from containerlab.oci import digest as digests
from containerlab.oci.image import OCI_CONFIG, OCI_LAYER, Descriptor
from containerlab.oci.reference import Reference
from tests.distribution import documents
from tests.distribution.server import pushing, worlds
from tests.distribution.server.grounds import logged_in
from tests.distribution.server.worlds import CONFIG, HOME, SECRET, Answer, World, path_of
from tests.registries import debian

OPERATIONS = [each.operation for each in bound()]
STRANGERS = (
    "anonymous", "stranger", "guest", "reader", "writer", "manager", "robot", "temporary", "session",
    "api token", "token", "listing token", "owner's token", "admin's token",
)  # fmt: skip
"""Those who may know nothing of the other organisation, as they come."""
BOTH = "vogel-owner"
OWN_NAMES = {
    "temporary": "manager", "session": "manager", "api token": "manager", "token": "manager",
    "listing token": "manager", "owner's token": BOTH, "admin's token": "admin", "robot": "lab+machine",
}  # fmt: skip
ABSENT = {
    "organization": "nirwana", "repository": "kanarie/missing", "scope": "nirwana/", "user": "nobody-owner",
    "robot": "nirwana+nobody-ci", "account": "nobody-friend", "tag": "tag-missing", "webhook": 4711,
    "manifest": "sha256:" + "1" * 64, "layer": "sha256:" + "2" * 64, "config": "sha256:" + "3" * 64,
    "immutability": 4712, "retention": 4713, "archive": "0" * 32, "upload": "1" * 32, "login": "0" * 12,
    "replication": 4714, "upstream": 4715,
}  # fmt: skip
"""What there is none of, by the same names."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with worlds.made(tmp_path_factory.mktemp("world") / "home") as made:
        yield made


def _named(operation: Operation, place: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of an operation that is to be about what is in a place."""
    noun = operation.noun.lower()
    own = {
        "users": "user", "robots": "robot", "organizations": "organization", "logins": "login",
        "webhooks": "webhook", "immutability": "immutability", "retention": "retention",
        "archives": "archive", "replications": "replication", "upstreams": "upstream",
    }.get(noun, "")  # fmt: skip
    given: dict[str, Any] = {
        **{name: place[name] for name in ("repository", "organization", "scope", "account")},
        "reference": place["tag"], "digest": place["layer"], "id": place.get(own), "name": place.get(own),
        "delivery": 1, "level": "read", "until": 1_800_500_000.0, "size": 10, "url": "http://127.0.0.1:9/x",
        "keep_last": 3, "limit_bytes": 10, "password": "a long password", "is_public": True,
        "policy": {"registry": "127.0.0.1:9", "prefix": place["organization"]}, "change": {"username": "x"},
        "dry_run": operation.name == "replications.run", "force": True, "is_disabled": True, "untagged": True,
        "grace_s": 0.0, "discard": True, "description": "changed", "is_enabled": False, "direction": "given",
    }  # fmt: skip
    if operation.name == "robots.create":
        given["name"] = "new"
    return {name: given[name] for name in operation.parameters if name in given}


def _variants(operation: Operation, place: Mapping[str, Any], person: str) -> list[dict[str, Any]]:
    """Return what an operation is asked with: all that it takes, only what it needs, and about oneself."""
    everything = _named(operation, place)
    bare = {
        name: value
        for name, value in everything.items()
        if operation.parameters[name][1] is msgspec.NODEFAULT
    }
    own = {"account": OWN_NAMES.get(person, person)}
    return [everything, bare, *([{**bare, **own}, {**everything, **own}] if "account" in everything else [])]


def _ask(world: World, person: str, operation: Operation, given: Mapping[str, Any]) -> Answer:
    path = path_of(operation.path, given)
    others = {name: value for name, value in given.items() if name not in operation.in_path}
    if operation.has_body:
        body = next(iter(others.values())) if operation.whole_body else others
        headers = {"content-type": "application/json"}
        return world.ask(person, operation.method, path, json.dumps(body).encode(), headers)
    words = [f"{name}={quote(_word(value))}" for name, value in others.items()]
    return world.ask(person, operation.method, f"{path}?{'&'.join(words)}" if words else path)


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _neutral(text: str, place: Mapping[str, Any]) -> str:
    """Put the same word for whatever was asked for, and for who is at home in both organisations."""
    text = text.replace(BOTH, "both")
    words = [value for value in place.values() if isinstance(value, str)]
    for word in sorted(words, key=len, reverse=True):
        text = text.replace(quote(word, safe=""), "·").replace(word, "·")
    text = re.sub(r"\b(471\d|\d)\b|conlab_temporary_[\w-]+", "#", text)
    return re.sub(r"'content-length': '\d+'", "", text)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda each: each.name)
def test_no_operation_tells_strangers_of_what_is_others_nor_changes_it(
    world: World, operation: Operation
) -> None:
    before = world.state()
    elsewhere = {**ABSENT, "repository": "nirwana/missing"}
    for person in STRANGERS:
        words = SECRET.split("/")[: 1 if person == "owner's token" else 2]
        asked, *others = (_variants(operation, each, person) for each in (world.theirs, ABSENT, elsewhere))
        for given, *absent in zip(asked, *others, strict=True):
            found = _ask(world, person, operation, given)
            text = _neutral(found.text, world.theirs)
            assert found.status < 500, (person, found)
            assert not [word for word in words if word in text], (person, given, found)
            for place, each in zip((ABSENT, elsewhere), absent, strict=True):
                missing = _ask(world, person, operation, each)
                assert text == _neutral(missing.text, place), (person, given)
            assert world.state() == before, (person, given, found)


LEVELS = {"anonymous": 0, "stranger": 0, "reader": 1, "writer": 2, "manager": 3, "admin": 4}
NEEDED = {"anybody": 0, "account": 0, "read": 1, "write": 2, "manage": 3, "administrator": 4}
PARTLY = ("archives.finish", "webhooks.list", "robots.list")
"""Operations that show or take only what is somebody's own, whoever asks."""


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda each: each.name)
def test_operations_need_the_level_that_is_said_of_them(world: World, operation: Operation) -> None:
    """And who has less changes nothing. That they can be carried out with it is for other tests to show."""
    before = world.state()
    for person, level in LEVELS.items():
        if level < NEEDED[operation.who] and operation.name not in PARTLY:
            answer = _ask(world, person, operation, _named(operation, world.homely))
            assert answer.status in ((401,) if person == "anonymous" else (403, 404)) or _is_empty(answer), (
                person,
                answer,
            )
            assert world.state() == before, person


def _is_empty(answer: Answer) -> bool:
    """Tell whether a list is shown that has nothing."""
    return answer.status == 200 and json.loads(answer.body).get("items") == []


# the protocol

PROTOCOL = """
GET /v2/{repository}/manifests/{tag}
HEAD /v2/{repository}/manifests/{tag}
GET /v2/{repository}/manifests/{manifest}
HEAD /v2/{repository}/manifests/{manifest}
PUT /v2/{repository}/manifests/{tag} IMAGE
PUT /v2/{repository}/manifests/{manifest}?tag=new IMAGE
DELETE /v2/{repository}/manifests/{tag}
DELETE /v2/{repository}/manifests/{manifest}
GET /v2/{repository}/blobs/{layer}
HEAD /v2/{repository}/blobs/{layer}
GET /v2/{repository}/blobs/{manifest}
DELETE /v2/{repository}/blobs/{layer}
POST /v2/{repository}/blobs/uploads/
POST /v2/{repository}/blobs/uploads/?digest={layer} LAYER
POST /v2/{repository}/blobs/uploads/?mount={layer}&from=lab/app
GET /v2/{repository}/blobs/uploads/{upload}
HEAD /v2/{repository}/blobs/uploads/{upload}
PATCH /v2/{repository}/blobs/uploads/{upload} LAYER
PUT /v2/{repository}/blobs/uploads/{upload}?digest={layer} LAYER
DELETE /v2/{repository}/blobs/uploads/{upload}
GET /v2/{repository}/tags/list
HEAD /v2/{repository}/tags/list?n=1
GET /v2/{repository}/referrers/{manifest}
GET /v2/_catalog?n=100
GET /v2/_catalog?last=kanaria
GET /v2/app/manifests/{tag}?ns={organization}
GET /v2/lab/app/manifests/{manifest}
HEAD /v2/lab/app/manifests/{manifest}
GET /v2/lab/app/manifests/{tag}
DELETE /v2/lab/app/manifests/{manifest}
GET /v2/lab/app/blobs/{layer}
HEAD /v2/lab/app/blobs/{layer}
GET /v2/lab/app/blobs/{config}
GET /v2/lab/app/blobs/{manifest}
DELETE /v2/lab/app/blobs/{layer}
GET /v2/lab/app/referrers/{manifest}
POST /v2/lab/app/blobs/uploads/?mount={layer}&from={repository}
POST /v2/lab/app/blobs/uploads/?mount={layer}
POST /v2/lab/app/blobs/uploads/?mount={manifest}&from={repository}
GET /v2/lab/app/blobs/uploads/{upload}
DELETE /v2/lab/app/blobs/uploads/{upload}
PUT /v2/lab/app/manifests/stolen STOLEN
PUT /v2/lab/app/manifests/stolen STOLEN-INDEX
"""


def _stolen(kind: str, place: Mapping[str, Any]) -> bytes:
    """Return a body that names what is in a place without having it."""
    if kind == "STOLEN":
        config, layer = (_descriptor(place[name], OCI_LAYER) for name in ("config", "layer"))
        return documents.image(config=config, layers=[layer])
    if kind == "STOLEN-INDEX":
        return documents.index(manifests=[_descriptor(place["manifest"], documents.OCI_MANIFEST)])
    return documents.image() if kind == "IMAGE" else kind.encode()


def _descriptor(digest: str, media_type: str) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest, "size": 16}


@pytest.mark.parametrize("line", PROTOCOL.split("\n")[1:-1])
def test_no_request_tells_strangers_of_what_is_others_nor_changes_it(world: World, line: str) -> None:
    method, path, *kind = line.split(" ")
    before = _contents(world)
    for person in STRANGERS:
        places = (world.theirs, ABSENT, {**ABSENT, "repository": "nirwana/missing"})
        answers = []
        for place in places:
            body = _stolen(kind[0], place) if kind else b""
            headers = {"content-type": documents.OCI_MANIFEST} if "STOLEN" in line or "IMAGE" in line else {}
            found = world.ask(person, method, path.format_map(place), body, headers)
            assert found.status < 500, (person, found)
            answers.append(re.sub(r"\b[0-9a-f]{32}\b", "#", _neutral(found.text, place)))
        assert answers[0] == answers[1] == answers[2], person
        assert "vogel" not in answers[0], person
        assert "kanarie" not in answers[0], person
        assert _contents(world) == before, (person, answers[0])


def _contents(world: World) -> dict[str, Any]:
    """Return all but the sessions that strangers open at home."""
    state = world.state()
    state["uploads"] = [row for row in state["uploads"] if row[1].startswith("kanarie/")]
    return state


# the page

PAGES = [path for method, path, _ in contents.PAGES if method == "GET"]
VALUES = {
    "name": "repository", "reference": "tag", "digest": "layer", "organization": "organization",
    "rest": "tag",
}  # fmt: skip


@pytest.mark.parametrize("path", PAGES)
def test_no_page_tells_strangers_of_what_is_others(world: World, path: str) -> None:
    own = {"replications": "replication", "webhooks": "webhook", "uploads": "archive"}
    number = next((name for word, name in own.items() if f"/{word}/" in path), "webhook")

    def filled(place: Mapping[str, Any]) -> str:
        said = {name: str(place[key]) for name, key in VALUES.items()} | {"id": str(place[number])}
        query = f"?organization={place['organization']}&repository={place['repository']}"
        query += f"&text={place['tag']}&old={place['tag']}&reference={place['tag']}"
        query += f"&new=v1&account={place['account']}"
        return re.sub(r"\{(\w+)(:path)?\}", lambda found: said[found[1]], path) + query

    for person in ("anonymous", "session"):
        found, missing = (world.ask(person, "GET", filled(place)) for place in (world.theirs, ABSENT))
        assert found.status < 500, found
        assert _page(found, world.theirs) == _page(missing, ABSENT), person
        plain = world.ask(person, "GET", filled(world.theirs).partition("?")[0])
        assert not [word for word in SECRET.split("/") if word in _page(plain, world.theirs)], person


def _page(answer: Answer, place: Mapping[str, Any]) -> str:
    """Return a page without what differs each time."""
    text = _neutral(html.unescape(answer.text.replace("<wbr>", "")), place)
    return re.sub(r"\b[0-9a-f]{64}\b|conlab=[\w-]+|(?<=%2F)\d+", "#", text)


# what is named without being had


@pytest.fixture
def thief(world: World) -> Iterator[tuple[Identity, bytes]]:
    """Push a manifest to lab/app that says of kanarie's blobs that they are got elsewhere, as any may be."""
    who = logged_in(world.registry, "manager")
    parts = [
        {**_descriptor(world.theirs[name], kind), "size": size, "urls": ["https://elsewhere.example/"]}
        for name, kind, size in (
            ("config", OCI_CONFIG, len(CONFIG)),
            ("layer", OCI_LAYER, len("layer of kanarie")),
        )
    ]
    raw = documents.image(config=parts[0], layers=parts[1:])
    pushing.put(world.registry, who, HOME, raw, "stolen")
    yield who, raw
    manifests.delete(world.registry, who, HOME, digests.of(raw))


def test_what_an_image_has_elsewhere_is_not_examined(world: World, thief: tuple[Identity, bytes]) -> None:
    """The store has it, for others: what an examiner finds in it is not for who knows its digest."""
    digest = digests.of(thief[1])
    for kind in ("run", "again"):
        answer = _ask(
            world, "manager", _operation("examinations.run"), _examined("stolen", again=kind == "again")
        )
        assert "kanarie" not in answer.text
    for name in ("examinations.list", "examinations.audit"):
        for reference in ("stolen", digest):
            answer = _ask(world, "manager", _operation(name), _examined(reference))
            assert "kanarie" not in answer.text
    for path in ("tags/stolen", f"manifests/{digest}", f"manifests/{digest}/audit"):
        page = world.ask("session", "GET", f"/ui/repositories/lab/app/-/{path}")
        assert page.status < 500, path
        assert "kanarie" not in page.text, path


def _examined(reference: str, **more: Any) -> dict[str, Any]:
    return {"repository": HOME, "reference": reference, **more}


def _operation(name: str) -> Operation:
    return next(each for each in OPERATIONS if each.name == name)


def test_what_an_image_has_elsewhere_is_not_replicated(
    world: World, thief: tuple[Identity, bytes], tmp_path: Path
) -> None:
    with debian(tmp_path / "there") as there:
        place = Reference.parse(f"{there.host}/lab/app:stolen")
        with Remote(place, for_push=True) as remote:
            with contextlib.suppress(errors.LabError):
                Outgoing(world.registry, HOME, remote).copy("stolen")
            for name in ("config", "layer"):
                stolen = Descriptor(media_type="", digest=world.theirs[name], size=16)
                assert not remote.has_blob(stolen), name


def test_no_size_tells_whether_others_have_the_same(world: World) -> None:
    """Who can guess what a private layer has must not learn by pushing it that they are right."""
    who, told = logged_in(world.registry, "manager"), []
    for number, layer in enumerate((b"layer of kanarie", b"layer of nobody!")):
        name = f"lab/guess{number}"
        raw = pushing.push(world.registry, who, name, "x", layers=[layer])
        world.clock.advance(1)
        asked = [
            world.ask("manager", "GET", "/api/v1/quotas"),
            world.ask("manager", "GET", "/api/v1/quotas/lab/repositories"),
            world.ask("session", "GET", f"/ui/repositories/{name}/-/delete?reference={digests.of(raw)}"),
            _posted(world, "/api/v1/retention/preview", scope=name, older_than_days=0.0),
            _posted(world, "/api/v1/garbage/collect", scope=name, untagged=True, grace_s=0.0, dry_run=True),
        ]
        with contextlib.suppress(errors.NotFound):
            manifests.delete(world.registry, who, name, "x")
        asked.append(
            _posted(world, "/api/v1/garbage/collect", scope=name, untagged=True, grace_s=0.0, dry_run=True)
        )
        asked.append(
            _posted(world, "/api/v1/garbage/collect", scope=name, untagged=True, grace_s=0.0, dry_run=False)
        )
        assert [each.status for each in asked if each.status != 200] == []
        told.append([_page(each, {"name": name, "short": name[4:]}) for each in asked])
        repositories.remove(world.registry, who, name)
    assert told[0] == told[1]


def _posted(world: World, path: str, **given: Any) -> Answer:
    return world.ask(
        "manager", "POST", path, json.dumps(given).encode(), {"content-type": "application/json"}
    )
