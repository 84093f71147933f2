"""Retention on a registry: what a dry run says is what goes, space is back, schedules come due."""

from __future__ import annotations

import pytest

from containerlab import errors
from containerlab.distribution.server import events
from containerlab.distribution.server.content import catalog
from containerlab.distribution.server.registry import Registry
from containerlab.distribution.server.rights import Identity
from containerlab.distribution.server.rules import immutability, retention
from containerlab.distribution.server.rules.retention_plan import DAY_S
from containerlab.oci import digest as digests
from tests.distribution.server.grounds import Clock
from tests.distribution.server.pushing import push

BASE = b"a layer of all" * 1000


@pytest.fixture
def filled(registry: Registry, admin: Identity, clock: Clock) -> Registry:
    """Return a registry with an image of each of six days; the last is of today."""
    for number in range(6):
        push(registry, admin, "lab/base", f"v{number}", layers=[BASE, f"layer {number}".encode() * 1000])
        clock.advance(DAY_S)
    push(registry, admin, "other/base", "v0", layers=[b"layer 0" * 1000])
    return registry


def _tags(registry: Registry, admin: Identity, name: str = "lab/base") -> list[str]:
    return catalog.tags(registry, admin, name).names


def test_a_dry_run_says_what_goes_and_changes_nothing(filled: Registry, admin: Identity) -> None:
    retention.set_rule(filled, admin, "lab/", keep_last=4)
    blobs = set(filled.blobs.digests())
    said = retention.run(filled, admin, "lab/", dry_run=True)
    assert (_tags(filled, admin), set(filled.blobs.digests())) == ([f"v{n}" for n in range(6)], blobs)
    done = retention.run(filled, admin, "lab/")
    assert said.is_dry_run
    assert not done.is_dry_run
    assert (done.removals, done.freed_bytes) == (said.removals, said.freed_bytes)
    assert _tags(filled, admin) == ["v2", "v3", "v4", "v5"]
    gone = blobs - set(filled.blobs.digests())
    assert digests.of(b"layer 1" * 1000) in gone
    assert digests.of(b"layer 0" * 1000) not in gone  # another repository has it
    assert len(gone) == 3  # two manifests and that layer
    assert retention.run(filled, admin, "lab/").removals == ()


def test_what_goes_is_in_the_audit_log(filled: Registry, admin: Identity) -> None:
    retention.set_rule(filled, admin, "lab/base", keep_last=5)
    retention.run(filled, admin)
    newest = events.find(filled, admin, limit=3).items
    assert [(event.kind, event.tag, event.account) for event in newest] == [
        ("retention", "", "admin"),
        ("delete", "", "admin"),
        ("tag.delete", "v0", "admin"),
    ]
    assert newest[0].detail == "1 tag and 1 manifest went"


def test_immutable_tags_stay(filled: Registry, admin: Identity) -> None:
    immutability.set_rule(filled, admin, "", tags=("v[01]",))
    retention.set_rule(filled, admin, "", keep_last=3)
    report = retention.run(filled, admin)
    assert _tags(filled, admin) == ["v0", "v1", "v3", "v4", "v5"]
    assert [each.tag for each in report.spared] == ["v1", "v0"]


def test_a_schedule_comes_due_after_its_first_day(filled: Registry, admin: Identity, clock: Clock) -> None:
    rule = retention.set_rule(filled, admin, "lab/", keep_last=2, schedule="daily")
    retention.set_rule(filled, admin, "lab/", keep_last=4, tags=("v[0-3]",))  # this one only keeps
    retention.run_due(filled)
    assert len(_tags(filled, admin)) == 6
    clock.advance(DAY_S)
    retention.run_due(filled)
    assert _tags(filled, admin) == [f"v{number}" for number in range(6)]
    retention.remove(filled, admin, 2)
    retention.run_due(filled)  # not again before another day
    assert len(_tags(filled, admin)) == 6
    clock.advance(DAY_S)
    retention.run_due(filled)
    assert _tags(filled, admin) == ["v4", "v5"]
    (shown,) = retention.listed(filled, admin, "lab/").items
    assert (shown.id, shown.ran) == (rule.id, clock.time)
    assert digests.of(b"layer 3" * 1000) not in set(filled.blobs.digests())


def test_a_rule_is_replaced(filled: Registry, admin: Identity) -> None:
    rule = retention.set_rule(filled, admin, "lab/", keep_last=1)
    changed = retention.update(filled, admin, rule.id, older_than_days=1000.0)
    assert (changed.id, changed.keep_last, changed.older_than_days) == (rule.id, None, 1000.0)
    assert retention.run(filled, admin).removals == ()
    with pytest.raises(errors.NotFound):
        retention.update(filled, admin, 99, keep_last=1)


def test_a_rule_that_lets_nothing_go_is_refused(registry: Registry, admin: Identity) -> None:
    with pytest.raises(errors.InvalidInput, match="lets nothing go"):
        retention.set_rule(registry, admin, "lab/", tags=("v*",))


def test_ten_thousand_tags_are_decided_and_taken(registry: Registry, admin: Identity) -> None:
    push(registry, admin, "lab/base", "first", layers=[BASE])
    with registry.database.writing() as connection:
        (repository,) = connection.execute("SELECT id FROM repositories").fetchone()
        (first,) = connection.execute("SELECT digest FROM manifests").fetchone()
        made = [(f"sha256:{number:064x}", f"t{number}") for number in range(10_000)]
        connection.executemany(
            "INSERT INTO manifests (repository, digest, media_type, size, pushed)"
            " SELECT repository, ?, media_type, size, pushed - 1 FROM manifests WHERE digest = ?",
            [(digest, first) for digest, _ in made],
        )
        connection.executemany(
            "INSERT INTO parts SELECT repository, ?, digest, kind FROM parts"
            " WHERE repository = ? AND manifest = ?",
            [(digest, repository, first) for digest, _ in made],
        )
        connection.executemany(
            "INSERT INTO tags (repository, name, digest, updated) VALUES (?, ?, ?, ?)",
            [(repository, tag, digest, registry.now() - 1) for digest, tag in made],
        )
    retention.set_rule(registry, admin, "lab/base", keep_last=1)
    report = retention.run(registry, admin)
    assert len(report.removals) == 20_000
    assert _tags(registry, admin) == ["first"]
    assert registry.blobs.has(digests.of(BASE))


def test_a_preview_says_what_a_rule_would_do_and_makes_none(filled: Registry, admin: Identity) -> None:
    retention.set_rule(filled, admin, "lab/", keep_last=2, tags=("v0", "v1"))
    said = retention.preview(filled, admin, "lab/base", keep_last=4)
    assert said.is_dry_run
    assert [each.tag for each in said.removals if each.tag] == []  # v0 and v1 are kept by the other rule
    said = retention.preview(filled, admin, "lab/base", keep_last=2)
    assert {each.tag for each in said.removals if each.tag} == {"v2", "v3"}
    assert said.freed_bytes > 0
    assert len(retention.listed(filled, admin).items) == 1
    assert _tags(filled, admin) == [f"v{n}" for n in range(6)]


def test_a_preview_of_a_changed_rule_leaves_the_old_one_out(filled: Registry, admin: Identity) -> None:
    rule = retention.set_rule(filled, admin, "lab/base", keep_last=5)
    said = retention.preview(filled, admin, "lab/base", replacing=rule.id, keep_last=1)
    assert len([each for each in said.removals if each.tag]) == 5
    with pytest.raises(errors.InvalidInput, match="lets nothing go"):
        retention.preview(filled, admin, "lab/base")
