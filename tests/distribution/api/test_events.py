"""The audit log over the API: who sees what, filters, pages, export."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from containerlab import errors
from containerlab.distribution.api.values import every
from containerlab.distribution.server import events
from containerlab.distribution.server.registry import Registry, Settings
from tests.distribution.api.serving import IDENTITIES, Direct, as_user, served


@pytest.fixture(scope="module")
def registry(base: Path) -> Iterator[Registry]:
    registry = Registry(Settings(storage=str(base / "api-events")))
    with registry.database.writing() as connection:
        for number in range(25):
            repository = ("lab/base", "other/thing", "busybox")[number % 3]
            who = IDENTITIES["bob" if number == 7 else "root"]
            events.note(registry, connection, who, "push", repository=repository, tag=f"v{number}")
        events.note(registry, connection, IDENTITIES["ann"], "login")
    yield registry
    registry.close()


@pytest.fixture(scope="module")
def port(registry: Registry) -> Iterator[int]:
    with served(registry) as port:
        yield port


def test_an_administrator_sees_everything_newest_first(port: int) -> None:
    page = as_user(port, "root").events.list()
    assert [event.id for event in page.items] == list(range(26, 0, -1))
    assert (page.items[0].kind, page.items[0].account, page.next) == ("login", "ann", "")


def test_others_see_what_they_manage_and_did(port: int) -> None:
    seen = as_user(port, "ann").events.list().items
    assert {event.repository for event in seen} == {"lab/base", ""}
    assert [event.tag for event in as_user(port, "bob").events.list().items] == ["v7"]


def test_pages_together_are_the_whole(port: int) -> None:
    api = as_user(port, "root").events
    assert len(api.list(limit=10).items) == 10
    assert [event.id for event in every(api.list, limit=10)] == list(range(26, 0, -1))
    assert api.list(limit=26).next == ""


def test_filters_narrow(port: int) -> None:
    api = as_user(port, "root").events
    assert {event.repository for event in api.list(repository="other/thing").items} == {"other/thing"}
    assert {event.repository for event in api.list(organization="library").items} == {"busybox"}
    assert [event.kind for event in api.list(account="ann").items] == ["login"]
    assert api.list(until=1.0).items == ()
    assert len(api.list(kind="push", since=1.0).items) == 25


def test_the_export_has_a_line_for_each_event(port: int) -> None:
    assert [event.id for event in as_user(port, "root").events.export(kind="push")] == list(range(25, 0, -1))
    with Direct(port, "root").request("GET", "/api/v1/events/export") as answer:
        assert answer.headers["Content-Type"].startswith("application/jsonl")
        assert [json.loads(line)["id"] for line in answer.read().splitlines()] == list(range(26, 0, -1))


def test_what_is_wrong_is_said_in_a_sentence(port: int) -> None:
    with pytest.raises(errors.InvalidInput, match="limit: has to be 1000 or less"):
        as_user(port, "root").events.list(limit=5000)
    with pytest.raises(errors.InvalidInput, match=r"kind: 'nonsense' is not known: one of push, pull, "):
        as_user(port, "root").events.list(kind="nonsense")  # type: ignore[arg-type]
    with pytest.raises(errors.InvalidInput, match="no event has the number"):
        as_user(port, "root").events.list(after="x")
    with pytest.raises(errors.InvalidInput, match="repository"):
        as_user(port, "root").events.list(repository="../etc")
    with pytest.raises(errors.InvalidInput, match="repository"):
        as_user(port, "root").events.list(repository="lab/base\n")
