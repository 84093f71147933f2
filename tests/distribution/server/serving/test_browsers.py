"""What a page of somebody else's cannot do through the browser of a visitor."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.distribution.server import grounds
from tests.distribution.server.grounds import PASSWORD, Clock, basic
from tests.distribution.server.page.visitors import Visitor, served

ELSEWHERE = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}
LOGIN = {"Authorization": basic("admin", PASSWORD)}


@pytest.fixture
def closed(tmp_path: Path, clock: Clock) -> Iterator[Visitor]:
    """Return somebody at a registry with accounts."""
    with grounds.opened(tmp_path / "closed", clock) as registry, served(registry) as site:
        yield Visitor(site)


@pytest.fixture
def open_to_all(tmp_path: Path, clock: Clock) -> Iterator[Visitor]:
    """Return somebody at a registry without, which is also called lab.example."""
    settings = {"auth": "none", "public_url": "http://lab.example:5000"}
    with grounds.opened(tmp_path / "open", clock, **settings) as registry, served(registry) as site:
        yield Visitor(site)


@pytest.mark.parametrize("path", ["/v2/lab/x/blobs/uploads/", "/api/v1/garbage/collect", "/ui/logout"])
def test_another_site_changes_nothing_with_what_the_browser_knows(closed: Visitor, path: str) -> None:
    for headers in (
        ELSEWHERE,
        {"Sec-Fetch-Site": "same-site"},  # another port of this machine, as a notebook's
        {"Origin": "null"},
        {"Origin": f"http://{closed.host}.evil.example"},
    ):
        answer = closed.send("POST", path, b"", {**LOGIN, **headers})
        assert answer.status == 403, headers
        assert "another site" in answer.text


def test_programs_and_pages_of_ours_are_let_through(closed: Visitor) -> None:
    own = {"Sec-Fetch-Site": "same-origin", "Origin": f"http://{closed.host}"}
    for headers in ({}, own, {"Sec-Fetch-Site": "none"}):
        answer = closed.send("POST", "/v2/lab/x/blobs/uploads/", b"", {**LOGIN, **headers})
        assert answer.status == 202, (headers, answer.text)


def test_a_link_from_elsewhere_still_leads_to_the_page(closed: Visitor) -> None:
    assert closed.get("/ui/", {"Sec-Fetch-Site": "cross-site"}).status == 200


def test_a_name_that_others_can_lead_here_opens_no_registry_without_accounts(open_to_all: Visitor) -> None:
    for path in ("/ui/", "/v2/_catalog", "/api/v1/repositories"):
        for host in (
            "evil.example",
            "evil.example:5000",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "[",
            "",
        ):
            answer = open_to_all.get(path, {"Host": host, "Sec-Fetch-Site": "same-origin"})
            assert answer.status in (400, 421), (path, host)


def test_names_of_this_machine_and_the_public_one_are_known(open_to_all: Visitor) -> None:
    for host in (
        "localhost:1",
        "127.0.0.1",
        "[::1]:5000",
        "lab.localhost",
        socket.gethostname(),
        "LAB.example:5000",
    ):
        assert open_to_all.get("/ui/", {"Host": host, "Sec-Fetch-Site": "none"}).status == 200, host


def test_programs_may_call_it_what_they_like(open_to_all: Visitor) -> None:
    assert open_to_all.get("/v2/", {"Host": "registry:5000"}).status == 200
