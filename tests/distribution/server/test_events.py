"""What is written down of what happened: who was refused, and for how long it is kept."""

from __future__ import annotations

from pathlib import Path

from containerlab.distribution.server import events
from containerlab.distribution.server.registry import Registry
from containerlab.distribution.server.rights import Identity
from containerlab.distribution.server.upkeep import garbage
from tests.distribution.server.grounds import Clock, logged_in, opened

BOB = Identity(name="bob")


def _denied(registry: Registry, admin: Identity) -> list[str]:
    return [event.repository for event in events.find(registry, admin, kind="denied").items]


def test_who_is_refused_again_and_again_is_written_down_once_a_minute(
    registry: Registry, admin: Identity, clock: Clock
) -> None:
    for _ in range(3):
        events.note_denied(registry, BOB, "lab/base", "no")
    assert _denied(registry, admin) == ["lab/base"]
    events.note_denied(registry, BOB, "lab/other", "no")
    clock.advance(61)
    events.note_denied(registry, BOB, "lab/base", "no")
    assert _denied(registry, admin) == ["lab/base", "lab/other", "lab/base"]


def test_what_is_too_old_is_forgotten(registry: Registry, admin: Identity, clock: Clock) -> None:
    with registry.database.writing() as connection:
        for _ in range(2500):
            events.note(registry, connection, BOB, "pull", repository="lab/base")
    clock.advance(registry.settings.events_age_s - 10)
    events.note_denied(registry, BOB, "lab/base", "no")
    garbage.sweep(registry)
    assert len(list(events.export(registry, admin, repository="lab/base"))) == 2501
    clock.advance(20)
    garbage.sweep(registry)
    (left,) = events.export(registry, admin, repository="lab/base")
    assert left.kind == "denied"
    events.note_denied(registry, BOB, "lab/base", "else")
    assert events.find(registry, admin, limit=1).items[0].id > left.id


def test_there_are_not_more_than_fit_however_young(tmp_path: Path, clock: Clock) -> None:
    """A registry that is pulled from all day must not fill its disk with telling so."""
    with opened(tmp_path / "bounded", clock, events_most=1500) as registry:
        with registry.database.writing() as connection:
            for number in range(4000):
                events.note(registry, connection, BOB, "pull", repository="lab/base", tag=f"{number}")
        events.forget_old(registry)
        left = [each.tag for each in events.export(registry, logged_in(registry), repository="lab/base")]
        assert left == [f"{number}" for number in range(3999, 2499, -1)]
