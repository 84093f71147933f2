"""Collection of what nobody needs: by hand, and by itself once in a while."""

from __future__ import annotations

from containerlab.distribution.api.garbage import Collection, Garbage
from containerlab.distribution.server import events
from containerlab.distribution.server.api.binding import serves
from containerlab.distribution.server.content import catalog, releasing, uploads
from containerlab.distribution.server.content.releasing import Release
from containerlab.distribution.server.registry import Registry
from containerlab.distribution.server.rights import SYSTEM, Identity
from containerlab.distribution.server.rules import retention
from containerlab.distribution.server.rules.retention_plan import DAY_S, Rule
from containerlab.distribution.server.scopes import repository_of, require_managed
from containerlab.distribution.server.upkeep import examinations

__all__ = ["Deletions", "collect", "sweep"]

_AFTER_DELETION_S = 30.0
"""Clients that take an image apart delete its blobs after its manifest, and want to find them."""
_LOOK_S = 5.0


@serves(Garbage.collect)
def collect(
    registry: Registry,
    identity: Identity,
    scope: str = "",
    *,
    untagged: bool = False,
    grace_s: float | None = None,
    dry_run: bool = False,
) -> Collection:
    """Free the space of what nobody needs.

    Raises: NotPermitted, InvalidInput.
    """
    require_managed(identity, scope, "collect garbage")
    retention.require_something(registry, identity, scope)
    grace_s = registry.settings.grace_s if grace_s is None else grace_s
    release = Release(registry, identity, is_dry_run=dry_run)
    manifests = links = 0
    for repository in catalog.within(registry, scope):
        with release.changing(repository.id) as connection:
            if untagged:
                rule = {0: Rule(untagged_days=grace_s / DAY_S)}
                found = retention.apply(registry, connection, identity, repository, rule, [0])
                manifests += sum(not each.tag for each in found.removals)
            links += len(releasing.let_go(registry, connection, repository.id, grace_s=grace_s))
    sessions = uploads.sweep(registry) if identity.administers and not dry_run else 0
    result = Collection(
        is_dry_run=dry_run,
        manifests=manifests,
        links=links,
        uploads=sessions,
        freed_bytes=release.freed(),
    )
    if not dry_run:
        _note(registry, identity, scope, result)
    return result


def sweep(registry: Registry) -> None:
    """Collect what is over its time, as the server does once in a while."""
    collect(registry, SYSTEM)
    releasing.forget_promises(registry)
    examinations.forget_lost(registry)
    events.forget_old(registry)


class Deletions:
    """The job that frees the space of manifests that were deleted over the protocol; see `worker.Job`."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._next = 0.0
        with registry.reader.reading() as connection:
            (self._seen,) = connection.execute("SELECT coalesce(max(id), 0) FROM events").fetchone()

    def step(self) -> None:
        if self._registry.now() < self._next:
            return
        self._next = self._registry.now() + _LOOK_S
        with self._registry.reader.reading() as connection:
            rows = connection.execute(
                "SELECT max(events.id), repositories.id FROM events"
                " JOIN repositories ON name = events.repository"
                " WHERE events.id > ? AND kind = 'delete' AND time <= ? GROUP BY repositories.id",
                (self._seen, self._registry.now() - _AFTER_DELETION_S),
            ).fetchall()
        lost: list[str] = []
        for event, repository in rows:
            with self._registry.database.writing() as connection:
                lost += releasing.let_go(self._registry, connection, repository)
            self._seen = max(self._seen, event)
        if lost:
            releasing.release(self._registry, lost)

    def close(self) -> None:
        """Nothing goes on between two calls."""


def _note(registry: Registry, identity: Identity, scope: str, done: Collection) -> None:
    if not (done.manifests or done.links or done.uploads or done.freed_bytes):
        return
    said = (
        f"{done.manifests} manifests, {done.links} blobs and {done.uploads} uploads were dropped,"
        f" {done.freed_bytes} bytes freed"
    )
    with registry.database.writing() as connection:
        repository = repository_of(scope)
        events.note(registry, connection, identity, "collection", repository=repository, detail=said)
