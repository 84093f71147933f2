"""Retention: rules about what goes when, carried out by hand or by their schedules.

What goes is decided in the transaction that takes it away: nothing is pushed or pulled in between.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import Any

from containerlab import errors, units
from containerlab.distribution.api.retention import Retention, RetentionReport, RetentionRule
from containerlab.distribution.api.values import Page
from containerlab.distribution.server import events
from containerlab.distribution.server.api.binding import serves
from containerlab.distribution.server.content import catalog, manifests, releasing
from containerlab.distribution.server.content.catalog import Repository
from containerlab.distribution.server.content.releasing import Release
from containerlab.distribution.server.registry import Registry
from containerlab.distribution.server.rights import SYSTEM, Identity
from containerlab.distribution.server.rules import immutability, rules
from containerlab.distribution.server.rules.retention_plan import (
    DAY_S,
    NEW,
    Contents,
    Manifest,
    Plan,
    Rule,
    Rules,
    Tag,
    plan,
)
from containerlab.distribution.server.scopes import require_managed, require_meant

__all__ = [
    "apply",
    "listed",
    "preview",
    "remove",
    "require_something",
    "run",
    "run_due",
    "set_rule",
    "update",
]

_KIND = "retention"
_EVERY_S = {"hourly": 3600.0, "daily": DAY_S, "weekly": 7 * DAY_S}


@serves(Retention.set)
def set_rule(registry: Registry, identity: Identity, scope: str, **wishes: Any) -> RetentionRule:
    """Make a rule.

    Raises: NotPermitted, InvalidInput, Conflict.
    """
    return _shown(rules.add(registry, identity, _KIND, scope, _checked(Rule(**wishes))))


@serves(Retention.update)
def update(registry: Registry, identity: Identity, id: int, **wishes: Any) -> RetentionRule:
    """Replace a rule.

    Raises: NotPermitted, NotFound, InvalidInput.
    """
    return _shown(rules.change(registry, identity, _KIND, id, _checked(Rule(**wishes))))


def _checked(rule: Rule) -> Rule:
    rule.check()
    if not rule.has_limit and rule.untagged_days is None:
        raise errors.InvalidInput(
            "the rule lets nothing go", "give keep_last, older_than_days or untagged_days"
        )
    return rule


@serves(Retention.list)
def listed(registry: Registry, identity: Identity, scope: str | None = None) -> Page[RetentionRule]:
    """Return the rules of a scope, or all that may be seen."""
    return Page(tuple(map(_shown, rules.listed(registry, identity, _KIND, scope))))


@serves(Retention.remove)
def remove(registry: Registry, identity: Identity, id: int) -> None:
    """Take a rule away."""
    rules.remove(registry, identity, _KIND, id)


def _shown(kept: rules.Kept) -> RetentionRule:
    rule = kept.read(Rule)
    return RetentionRule(
        id=kept.id,
        scope=kept.scope,
        created=kept.created,
        ran=kept.ran,
        **{name: getattr(rule, name) for name in Rule.__struct_fields__},
    )


@serves(Retention.run)
def run(registry: Registry, identity: Identity, scope: str = "", *, dry_run: bool = False) -> RetentionReport:
    """Carry out the rules in the repositories of a scope.

    Raises: NotPermitted, InvalidInput.
    """
    require_managed(identity, scope, "carry out retention")
    require_something(registry, identity, scope)
    release = Release(registry, identity, is_dry_run=dry_run)
    plans = []
    for repository in catalog.within(registry, scope):
        with release.changing(repository.id) as connection:
            known = _about(connection, repository.name)
            plans.append(apply(registry, connection, identity, repository, known, known.keys()))
    return _report(release, plans)


@serves(Retention.preview)
def preview(
    registry: Registry, identity: Identity, scope: str, *, replacing: int | None = None, **wishes: Any
) -> RetentionReport:
    """Say what would go by a rule that is not made yet.

    Raises: NotPermitted, InvalidInput.
    """
    require_managed(identity, scope, "try retention")
    number, rule = replacing or NEW, _checked(Rule(**wishes))
    release = Release(registry, identity, is_dry_run=True)
    plans = []
    for repository in catalog.within(registry, scope):
        with release.changing(repository.id) as connection:
            known = {**_about(connection, repository.name), number: rule}
            plans.append(apply(registry, connection, identity, repository, known, [number]))
    return _report(release, plans)


def _report(release: Release, plans: Collection[Plan]) -> RetentionReport:
    return RetentionReport(
        is_dry_run=release.is_dry_run,
        removals=tuple(each for found in plans for each in found.removals),
        spared=tuple(each for found in plans for each in found.spared),
        freed_bytes=release.freed(),
    )


def run_due(registry: Registry) -> None:
    """Carry out what schedules ask for by now."""
    with registry.reader.reading() as connection:
        rows = connection.execute(f"{rules.COLUMNS} WHERE kind = ? ORDER BY id", (_KIND,)).fetchall()
    due = [kept for kept in (rules.Kept(*row) for row in rows) if _is_due(kept, registry.now())]
    if not due:
        return
    release = Release(registry, SYSTEM)
    running = {kept.id for kept in due}
    for repository in _distinct(registry, [kept.scope for kept in due]):
        with release.changing(repository.id) as connection:
            known = _about(connection, repository.name)
            apply(registry, connection, SYSTEM, repository, known, running)
    with registry.database.writing() as connection:
        connection.executemany(
            "UPDATE rules SET ran = ? WHERE id = ?", [(registry.now(), kept.id) for kept in due]
        )
    release.freed()


def _is_due(kept: rules.Kept, now: float) -> bool:
    every_s = _EVERY_S.get(kept.read(Rule).schedule)
    return every_s is not None and (kept.ran or kept.created) + every_s <= now


def _distinct(registry: Registry, scopes: Collection[str]) -> list[Repository]:
    found = {each.id: each for scope in scopes for each in catalog.within(registry, scope)}
    return list(found.values())


def require_something(registry: Registry, identity: Identity, scope: str) -> None:
    """Raise NotFound for a repository or an organisation that is not there."""
    kind, name = ("organisation", scope[:-1]) if scope.endswith("/") else ("repository", scope)
    table = "organizations" if kind == "organisation" else "repositories"
    with registry.reader.reading() as connection:
        is_there = connection.execute(f"SELECT 1 FROM {table} WHERE name = ?", (name,)).fetchone()
        require_meant(connection, identity, scope)
    if scope and not is_there:
        raise errors.NotFound(f"no such {kind}: {name}")


def apply(
    registry: Registry,
    connection: sqlite3.Connection,
    identity: Identity,
    repository: Repository,
    known: Mapping[int, Rule],
    running: Collection[int],
) -> Plan:
    """Take from a repository what its rules let go; return what that was."""
    if not known.keys() & set(running):
        return Plan([], [], set())
    found = plan(
        _contents(connection, repository),
        Rules(known, running, immutability.tester(connection, repository.name)),
        registry.now(),
    )
    tags = [each.tag for each in found.removals if each.tag]
    gone = [each.digest for each in found.removals if not each.tag]
    manifests.delete_tags(registry, connection, identity, repository, tags)
    for digest in gone:
        manifests.delete_manifest(registry, connection, identity, repository, digest)
    releasing.let_go(registry, connection, repository.id, found.released)
    if found.removals:
        count = units.format_count
        said = f"{count(len(tags), 'tag')} and {count(len(gone), 'manifest')} went"
        events.note(registry, connection, identity, "retention", repository=repository.name, detail=said)
    return found


def _about(connection: sqlite3.Connection, repository: str) -> dict[int, Rule]:
    return {kept.id: kept.read(Rule) for kept in rules.about(connection, _KIND, repository)}


def _contents(connection: sqlite3.Connection, repository: Repository) -> Contents:
    tags = connection.execute(
        "SELECT name, digest, updated FROM tags WHERE repository = ? ORDER BY name", (repository.id,)
    )
    rows = connection.execute(
        "SELECT digest, pushed, pulled, subject FROM manifests WHERE repository = ? ORDER BY digest",
        (repository.id,),
    )
    parts: dict[str, list[str]] = defaultdict(list)
    found = {digest: Manifest(*row) for digest, *row in rows}
    for manifest, digest in connection.execute(
        "SELECT manifest, digest FROM parts WHERE repository = ?", (repository.id,)
    ):
        parts[manifest].append(digest)
    return Contents(repository.name, [Tag(*row) for row in tags], found, parts)
