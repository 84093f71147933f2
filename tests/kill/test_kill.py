"""A few blows of the sweep that `make test-kill` makes in full: always the same ones, one for each verb."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import users
from tests.kill.scenarios import NEEDS_CGROUP, SCENARIOS
from tests.kill.tracer import Blow
from tests.kill.trial import Ground, ground
from tests.users import User

pytestmark = [pytest.mark.root, pytest.mark.slow]

SEED = 8
AS_USER = ("run", "commit")
"""Scenarios where ordinary users differ: files of mapped ids, maps to write."""
LATEST = {"client": 60, "launcher": 3, "monitor": 30, "init": 150, "helper": 20, "all": 150}
"""Beyond that many calls most verbs are over."""


@pytest.fixture(scope="module")
def place(base: Path) -> Iterator[Ground]:
    with ground(users.myself(base), base) as found:
        yield found


@pytest.fixture
def users_place(ordinary_user: User, base: Path) -> Iterator[Ground]:
    with ground(ordinary_user, base) as found:
        yield found


def _blow(name: str) -> Blow:
    draw = random.Random(f"{SEED} {name}")
    role = draw.choice((*SCENARIOS[name].roles, "all"))
    return Blow(role, draw.randint(1, LATEST[role]))


@pytest.mark.parametrize("name", SCENARIOS)
def test_what_a_kill_leaves_is_repaired(place: Ground, name: str) -> None:
    if name in NEEDS_CGROUP and not place.has_cgroup:
        pytest.skip("this host has no cgroup to pause or limit")
    found = place.try_(name, _blow(name), again=False)
    assert found.wrong == (), found.story.hit


def test_what_a_kill_leaves_to_an_ordinary_user_is_repaired(users_place: Ground) -> None:
    for name in AS_USER:
        found = users_place.try_(name, _blow(name), again=False)
        assert found.wrong == (), f"{name}: {found.story.hit}"


def test_exec_fails_when_its_go_between_is_killed_after_it_cloned(place: Ground) -> None:
    calls = place.try_("exec", None).story.calls["init"]
    told = max(number for number, call in enumerate(calls, 1) if call == "write")
    found = place.try_("exec", Blow("init", told))
    assert found.wrong == (), found.story.hit


def test_a_blow_hits_and_a_miss_is_told(place: Ground) -> None:
    assert place.try_("tag", Blow("client", 5)).story.hit.startswith("client at ")
    assert place.try_("tag", Blow("client", 10_000)).story.hit == ""
