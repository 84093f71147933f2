"""Manifests through the cache: fetched when they are missing, compared when they are no longer fresh.

A tag is asked for with HEAD first, which Docker Hub does not count as a pull. What does not check out is
neither kept nor served; while the upstream is away, or lies, what was kept before is served with a warning.
"""

from __future__ import annotations

import sqlite3

import msgspec

from containerlab import errors
from containerlab.distribution.remote import Fetched, Remote
from containerlab.distribution.server.content import blobs, documents, manifests
from containerlab.distribution.server.content.pushing import Push, push
from containerlab.distribution.server.problems import ManifestUnknown
from containerlab.distribution.server.registry import Registry
from containerlab.distribution.server.rights import SYSTEM, Identity, Level, require
from containerlab.distribution.server.upstreams import upstreams
from containerlab.distribution.server.upstreams.upstreams import Served

__all__ = ["is_current", "refresh", "refresh_referrers", "remote", "require_read"]

_PATIENCE_S, _MOST_PATIENCE_S = 2.0, 30.0
"""How long an upstream may take before what is here is served instead; and when nothing is here."""
_MOST_REFERRERS = 100
_REFERRERS = "referrers of "
"""How the names begin under which it is noted when those of a manifest were fetched."""


def remote(registry: Registry, served: Served) -> Remote:
    """Return the repository at the upstream."""
    return registry.upstream_state.remote(
        (served.partner, served.name), lambda: served.partner.remote(registry, served.name)
    )


def require_read(registry: Registry, identity: Identity, name: str) -> None:
    """Check that somebody may read a repository, be it here yet or not.

    Raises: NameInvalid, NotPermitted.
    """

    require(identity.level(name, is_public=upstreams.is_public(registry, name)), Level.READ, name)


def is_current(registry: Registry, served: Served, name: str, reference: str) -> bool:
    """Tell whether what is here can be served without asking. Microseconds."""

    def look(connection: sqlite3.Connection) -> tuple[float | None] | None:
        if reference.startswith(_REFERRERS):
            row = connection.execute(
                "SELECT f.checked FROM fresh f JOIN repositories r ON r.id = f.repository"
                " WHERE r.name = ? AND f.name = ?",
                (name, reference),
            ).fetchone()
        elif ":" in reference:
            row = connection.execute(
                "SELECT NULL FROM manifests m JOIN repositories r ON r.id = m.repository"
                " WHERE r.name = ? AND m.digest = ?",
                (name, reference),
            ).fetchone()
        else:
            row = connection.execute(
                "SELECT f.checked FROM fresh f JOIN repositories r ON r.id = f.repository JOIN tags t"
                " ON t.repository = r.id AND t.name = f.name WHERE r.name = ? AND f.name = ?",
                (name, reference),
            ).fetchone()
        found: tuple[float | None] | None = row
        return found

    found = registry.remembered.look(("fresh", name, reference), look)
    if found is None or found[0] is None:  # what has a digest stays fresh
        return found is not None
    # Younger than nothing: the clock was set back.
    return 0 <= registry.now() - found[0] < served.policy.fresh_s


def refresh(registry: Registry, identity: Identity, served: Served, name: str, reference: str) -> str:
    """See that what a tag or digest leads to is here, and as fresh as it has to be.

    Returns a warning when it is older.

    Raises: NotPermitted; ManifestUnknown, Unavailable when it is not here at all.
    """
    require_read(registry, identity, name)
    if ":" in reference:
        blobs.checked_digest(reference)
    else:
        manifests.check_tag(reference)
    state = registry.upstream_state
    with state.turn((name, reference)):
        if is_current(registry, served, name, reference):
            return ""
        here = _here(registry, name, reference)
        try:
            if why := state.why_away(served.id):
                raise errors.Unavailable(why)
            if state.is_missing((served.id, name, reference)):
                raise _missing(served, reference)
            patience_s = _PATIENCE_S if here else _MOST_PATIENCE_S
            state.wait(patience_s, lambda: _fetch(registry, served, name, reference, here))
        except errors.LabError as error:
            _remember(registry, served, name, reference, error)
            if here:
                return f"{served.policy.registry} could not be asked, this may be old: {error.message}"
            raise _translated(served, error) from error
    return ""


def _fetch(registry: Registry, served: Served, name: str, reference: str, here: str) -> None:
    there = remote(registry, served)
    if ":" not in reference:
        found = there.head(reference)
        if found is None:
            raise _missing(served, reference)
        if found.digest == here:
            _note_fresh(registry, name, reference)
            return
    fetched = there.manifest(reference)
    with registry.database.writing() as connection:
        upstreams.provide_organization(registry, connection, served, name)
    if ":" in reference:
        _keep(registry, name, fetched)
    else:
        _keep(registry, name, fetched, reference)
        _note_fresh(registry, name, reference)


def _keep(registry: Registry, name: str, fetched: Fetched, *tags: str) -> None:
    """Take a manifest in; what it consists of comes when somebody asks for it."""
    document = documents.read(fetched.raw, fetched.descriptor.media_type)
    parts = tuple(part._replace(is_elsewhere=True) for part in document.parts)
    document = msgspec.structs.replace(document, parts=parts)
    push(registry, SYSTEM, name, Push(document, fetched.descriptor.digest, tags))


def refresh_referrers(registry: Registry, identity: Identity, served: Served, name: str, digest: str) -> None:
    """See that what speaks about a manifest at the upstream is here; else what is here already has to do.

    Raises: NotPermitted.
    """
    require_read(registry, identity, name)
    blobs.checked_digest(digest)
    state, key = registry.upstream_state, f"{_REFERRERS}{digest}"
    with state.turn((name, key)):
        is_here = bool(_here(registry, name, digest))
        if not is_here or is_current(registry, served, name, key) or state.why_away(served.id):
            return
        try:
            state.wait(_PATIENCE_S, lambda: _fetch_referrers(registry, served, name, digest))
        except errors.LabError as error:
            _remember(registry, served, name, key, error)


def _fetch_referrers(registry: Registry, served: Served, name: str, digest: str) -> None:
    there = remote(registry, served)
    for found in there.referrers(digest)[:_MOST_REFERRERS]:
        if not _here(registry, name, found.digest):
            _keep(registry, name, there.manifest(found.digest))
    _note_fresh(registry, name, f"{_REFERRERS}{digest}")


def _here(registry: Registry, name: str, reference: str) -> str:
    """Return the digest that a reference leads to here, or nothing."""
    try:
        return manifests.find(registry, SYSTEM, name, reference).digest
    except errors.NotFound:
        return ""


def _note_fresh(registry: Registry, name: str, tag: str) -> None:
    with registry.database.writing() as connection:
        connection.execute(
            "INSERT OR REPLACE INTO fresh (repository, name, checked)"
            " SELECT id, ?, ? FROM repositories WHERE name = ?",
            (tag, registry.now(), name),
        )


def _remember(registry: Registry, served: Served, name: str, reference: str, error: errors.LabError) -> None:
    if isinstance(error, errors.NotFound):
        registry.upstream_state.note_missing((served.id, name, reference))
    elif isinstance(error, errors.Unavailable | errors.TimedOut):
        registry.upstream_state.note_away(served.id, error.message)


def _missing(served: Served, reference: str) -> ManifestUnknown:
    return ManifestUnknown(f"{served.policy.registry}/{served.name} has no {reference[:200]}")


def _translated(served: Served, error: errors.LabError) -> errors.LabError:
    """Return what a client is told: that the upstream wants another password is not for it to solve."""
    if isinstance(error, errors.NotFound):
        return ManifestUnknown(error.message)
    return errors.Unavailable(f"{served.policy.registry} could not be asked: {error.message}")
