"""A clock that is set, by a day back or forward: nobody is locked out, nothing stands still or is lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from containerlab.distribution.api.replications import Copy, ReplicationPolicy
from containerlab.distribution.api.upstreams import UpstreamPolicy
from containerlab.distribution.server import events
from containerlab.distribution.server.accounts.authentication import Refused, TooMany
from containerlab.distribution.server.registry import Registry
from containerlab.distribution.server.replication import copies, replications
from containerlab.distribution.server.rights import SYSTEM, Identity
from containerlab.distribution.server.upkeep.steadiness import Steadiness
from containerlab.distribution.server.upkeep.worker import Periodic
from containerlab.distribution.server.upstreams import mirroring, upstreams
from containerlab.distribution.server.webhooks import deliveries, webhooks
from tests.distribution.server import grounds
from tests.distribution.server.grounds import logged_in
from tests.distribution.server.pushing import push

DAY = 86400.0


@pytest.fixture
def registry(tmp_path: Path, clock: grounds.Clock) -> Iterator[Registry]:
    """Return a registry whose partners may be on this machine."""
    with grounds.opened(tmp_path / "home", clock, allows_private_targets=True) as registry:
        yield registry


def test_nobody_is_locked_out_by_a_clock_that_is_set_back(registry: Registry, clock: grounds.Clock) -> None:
    logged_in(registry)
    with pytest.raises(Refused):
        logged_in(registry, password="a wrong password")
    clock.advance(-DAY)
    logged_in(registry)


def test_guesses_are_limited_after_it_was_set_back(registry: Registry, clock: grounds.Clock) -> None:
    with pytest.raises(Refused):
        logged_in(registry, password="a wrong password")
    clock.advance(-DAY)
    for number in range(10):
        with pytest.raises(Refused):
            logged_in(registry, password=f"a wrong password {number}")
    with pytest.raises(TooMany):
        logged_in(registry, password="another wrong password")


def test_webhooks_go_on_when_it_is_set_back(
    registry: Registry, admin: Identity, clock: grounds.Clock
) -> None:
    hook = webhooks.create(registry, admin, "http://127.0.0.1:9/", kinds=("push",)).webhook.id
    with registry.database.writing() as connection:
        events.note(registry, connection, SYSTEM, "push", repository="lab/base")
    deliveries.enqueue(registry)
    clock.advance(-DAY)
    assert deliveries.due(registry) == [hook]


def test_replications_go_on_when_it_is_set_back(
    registry: Registry, admin: Identity, clock: grounds.Clock
) -> None:
    policy = ReplicationPolicy(registry="127.0.0.1:9", every_s=3600.0)
    number = replications.create(registry, admin, policy).id
    with registry.database.writing() as connection:
        copies.put(registry, connection, number, Copy(action="copy", repository="lab/a", reference="1"))
    assert replications.due(registry) == []
    clock.advance(-DAY)
    assert replications.due(registry) == [number]
    assert copies.due(registry) == [number]
    turn = copies.begin(registry, number)
    assert turn is not None
    assert turn.copy.repository == "lab/a"


def test_a_tag_of_an_upstream_is_not_fresh_for_a_day_when_it_is_set_back(
    registry: Registry, admin: Identity, clock: grounds.Clock
) -> None:
    upstreams.create(registry, admin, UpstreamPolicy(registry="127.0.0.1:9", prefix="hub", fresh_s=60.0))
    push(registry, admin, "hub/a", "1")
    with registry.database.writing() as connection:
        connection.execute("INSERT INTO fresh SELECT id, '1', ? FROM repositories", (clock(),))
    served = upstreams.serving(registry, "hub/a")
    assert served is not None
    assert mirroring.is_current(registry, served, "hub/a", "1")
    clock.advance(-DAY)
    assert not mirroring.is_current(registry, served, "hub/a", "1")


def test_what_is_done_now_and_then_goes_on_when_it_is_set_back(
    registry: Registry, clock: grounds.Clock
) -> None:
    done: list[float] = []
    job = Periodic(registry, 600.0, lambda registry: done.append(registry.now()))
    job.step()
    job.step()
    clock.advance(-DAY)
    job.step()
    job.step()
    assert len(done) == 2


def test_nothing_is_forgotten_for_its_age_when_it_was_set_forward(
    registry: Registry, clock: grounds.Clock
) -> None:
    """Until a day has passed in which it was right, or it is set back."""
    up = 0.0
    steadiness = Steadiness(clock, lambda: up)
    done: list[float] = []
    job = Periodic(registry, 600.0, lambda registry: done.append(registry.now()), steadiness=steadiness)
    job.step()
    clock.advance(DAY)
    job.step()
    assert len(done) == 1
    clock.advance(-DAY + 700)
    up += 700
    job.step()
    assert len(done) == 2
    clock.advance(365 * DAY)
    for _ in range(23):
        clock.advance(3600.0)
        up += 3600.0
        job.step()
    assert len(done) == 2
    clock.advance(2 * 3600.0)
    up += 2 * 3600.0
    job.step()
    assert len(done) == 3


def test_a_clock_that_gains_slowly_is_steady(clock: grounds.Clock) -> None:
    up = 0.0
    steadiness = Steadiness(clock, lambda: up)
    for _ in range(100):
        clock.advance(3602.0)
        up += 3600.0
        assert steadiness.is_steady()
