"""How much an organisation may keep: checked before bytes are taken, and again when they are linked."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import suppress

from containerlab import errors, units
from containerlab.distribution.api.quotas import Quota, Quotas, RepositoryUse
from containerlab.distribution.api.values import Page
from containerlab.distribution.server import events
from containerlab.distribution.server.api.binding import serves
from containerlab.distribution.server.content import catalog
from containerlab.distribution.server.problems import Denied
from containerlab.distribution.server.registry import Registry
from containerlab.distribution.server.rights import Identity, Level, require

__all__ = ["check", "inspect", "listed", "repositories", "room", "set_limit"]

# Each half with its own condition: over both at once, SQLite reads all that there is.
_HELD_BY_ORGANIZATION = " UNION ALL ".join(
    f"SELECT digest, size FROM repositories r CROSS JOIN {table} ON repository = r.id"
    " WHERE r.organization = :organization"
    for table in ("links", "manifests")
)
_OF_ORGANIZATION = f"SELECT digest, max(size) AS size FROM ({_HELD_BY_ORGANIZATION}) GROUP BY digest"
_SUMS = " UNION ALL ".join(
    f"SELECT sum(size) AS size FROM {table} JOIN repositories r ON r.id = repository"
    " WHERE r.organization = ?1"
    for table in ("links", "manifests")
)
_ALL_OF_ORGANIZATION = f"SELECT sum(size) FROM ({_SUMS})"
_IN_ORGANIZATION = " UNION ALL ".join(
    f"SELECT 1 FROM {table} JOIN repositories r ON r.id = repository"
    " WHERE digest = ?2 AND r.organization = ?1"
    for table in ("links", "manifests")
)
# Who asks sees what they see of others: sizes must not tell whether somebody else has what one can guess.
_ONLY_ITS_OWN = " AND ".join(
    f"NOT EXISTS (SELECT 1 FROM {table} l JOIN repositories o ON o.id = l.repository"
    f" WHERE l.digest = x.digest AND o.organization != :organization AND {catalog.seen('o')})"
    for table in ("links", "manifests")
)
_ONLY_OF_ONE = " AND ".join(
    f"NOT EXISTS (SELECT 1 FROM {table} l JOIN repositories o ON o.id = l.repository"
    f" WHERE l.digest = x.digest AND o.id != r.id AND {catalog.seen('o')})"
    for table in ("links", "manifests")
)


def _sums(condition: str) -> str:
    """Add up the sizes of what the repository `r` has, of blobs and manifests, both called `x`."""
    return " + ".join(
        f"coalesce((SELECT sum(x.size) FROM {table} x WHERE x.repository = r.id AND {condition}), 0)"
        for table in ("links", "manifests")
    )


_OF_REPOSITORIES = f"""
SELECT name, {_sums("1")}, {_sums(_ONLY_OF_ONE)},
    (SELECT count(*) FROM manifests WHERE repository = r.id),
    (SELECT count(*) FROM tags WHERE repository = r.id)
FROM repositories r WHERE organization = :organization AND name > :after ORDER BY name LIMIT :most
"""


def room(connection: sqlite3.Connection, organization: str) -> int | None:
    """Return how many bytes an organisation may take at least (below 0: perhaps none), None if any number.

    What several repositories share counts for each: to find that out takes long, and `check` does if need be.
    """
    limit = _limit(connection, organization)
    if limit is None:
        return None
    total = connection.execute(_ALL_OF_ORGANIZATION, (organization,)).fetchone()[0]
    return limit - int(total or 0)


def check(connection: sqlite3.Connection, organization: str, more_bytes: int, digest: str = "") -> None:
    """Refuse what would be more than an organisation may keep.

    more_bytes: 0 asks whether it may take anything at all. digest: of what, if that is known: what it has
    already takes no space.

    Raises: Denied.
    """
    wanted = max(more_bytes, 1)
    left = room(connection, organization)
    if left is None or wanted <= left or (digest and _has(connection, organization, digest)):
        return
    left = (_limit(connection, organization) or 0) - _used(connection, organization)
    if wanted <= left:
        return
    needed = f", this needs {units.format_size(more_bytes)} more" if more_bytes else ""
    raise Denied(
        f"organisation {organization} has {units.format_size(max(left, 0))} left of its quota{needed}",
        "delete what is not needed, or ask an administrator for more",
    )


@serves(Quotas.list)
def listed(registry: Registry, identity: Identity) -> Page[Quota]:
    """Return what the organisations that somebody belongs to keep."""
    with registry.reader.reading() as connection:
        rows = connection.execute("SELECT name FROM organizations ORDER BY name").fetchall()
    names = [name for (name,) in rows if identity.level_in(name) >= Level.READ]
    return Page(tuple(_quotas(registry, identity, names)))


def _quotas(registry: Registry, who: Identity, organizations: Iterable[str]) -> Iterator[Quota]:
    """Go through some organisations; between them others may read."""
    for name in organizations:
        with suppress(errors.NotFound):  # it was removed meanwhile
            with registry.reader.reading() as connection:
                found = _quota(connection, who, name)
            yield found


@serves(Quotas.inspect)
def inspect(registry: Registry, identity: Identity, organization: str) -> Quota:
    """Return what an organisation keeps.

    Raises: NotPermitted, NotFound.
    """
    require(identity.level_in(organization), Level.READ, f"see the quota of {organization}")
    with registry.reader.reading() as connection:
        return _quota(connection, identity, organization)


@serves(Quotas.set)
def set_limit(registry: Registry, identity: Identity, organization: str, limit_bytes: int | None) -> Quota:
    """Limit what an organisation keeps.

    Raises: NotPermitted, NotFound.
    """
    if not identity.is_admin or identity.limits is not None:
        raise errors.NotPermitted(f"set the quota of {organization}: only an administrator may")
    with registry.database.writing() as connection:
        connection.execute(
            "UPDATE organizations SET quota_bytes = ? WHERE name = ?", (limit_bytes, organization)
        )
        said = "no quota" if limit_bytes is None else f"a quota of {units.format_size(limit_bytes)}"
        events.note(
            registry, connection, identity, "organization", detail=f"organisation {organization} has {said}"
        )
        return _quota(connection, identity, organization)


@serves(Quotas.repositories)
def repositories(
    registry: Registry, identity: Identity, organization: str, *, limit: int = 100, after: str = ""
) -> Page[RepositoryUse]:
    """Return what the repositories of an organisation keep, by name.

    Raises: NotPermitted, NotFound.
    """
    require(identity.level_in(organization), Level.READ, f"see what {organization} keeps")
    with registry.reader.reading() as connection:
        catalog.require_organization(connection, organization)
        about = {"organization": organization, "after": after, "most": limit + 1}
        rows = connection.execute(_OF_REPOSITORIES, {**catalog.seeing(identity), **about}).fetchall()
    names = ("repository", "used_bytes", "unique_bytes", "manifests", "tags")
    items = tuple(RepositoryUse(**dict(zip(names, row, strict=True))) for row in rows[:limit])
    return Page(items, items[-1].repository if len(rows) > limit else "")


def _limit(connection: sqlite3.Connection, organization: str) -> int | None:
    query = "SELECT quota_bytes FROM organizations WHERE name = ?"
    row = connection.execute(query, (organization,)).fetchone()
    return None if row is None or row[0] is None else int(row[0])


def _has(connection: sqlite3.Connection, organization: str, digest: str) -> bool:
    return connection.execute(_IN_ORGANIZATION, (organization, digest)).fetchone() is not None


def _quota(connection: sqlite3.Connection, who: Identity, organization: str) -> Quota:
    catalog.require_organization(connection, organization)
    values = {**catalog.seeing(who), "organization": organization}
    own = f"SELECT sum(size) FROM ({_OF_ORGANIZATION}) x WHERE {_ONLY_ITS_OWN}"
    counts = (
        "SELECT quota_bytes, (SELECT count(*) FROM repositories WHERE organization = o.name),"
        " (SELECT count(*) FROM tags JOIN repositories r ON r.id = tags.repository"
        " WHERE r.organization = o.name) FROM organizations o WHERE name = ?"
    )
    limit, repositories, tags = connection.execute(counts, (organization,)).fetchone()
    return Quota(
        organization=organization,
        limit_bytes=limit,
        used_bytes=_used(connection, organization),
        unique_bytes=connection.execute(own, values).fetchone()[0] or 0,
        repositories=repositories,
        tags=tags,
    )


def _used(connection: sqlite3.Connection, organization: str) -> int:
    query = f"SELECT sum(size) FROM ({_OF_ORGANIZATION})"
    return int(connection.execute(query, {"organization": organization}).fetchone()[0] or 0)
