"""Repositories and their tags: which there are, who sees them, how they come into being."""

from __future__ import annotations

import sqlite3

import msgspec

from containerlab import errors
from containerlab.distribution.server import events
from containerlab.distribution.server.problems import Denied, NameInvalid, NameUnknown
from containerlab.distribution.server.registry import Registry
from containerlab.distribution.server.rights import Identity, Level, organization_of, require
from containerlab.oci.distribution import is_name

__all__ = [
    "MOST_ENTRIES",
    "WITHIN",
    "Page",
    "Repository",
    "allowed",
    "find",
    "provide",
    "repositories",
    "require_organization",
    "require_push",
    "require_read",
    "seeing",
    "seen",
    "tags",
    "within",
]

MOST_ENTRIES = 10_000
"""Of one page of tags or repositories; more come with the next."""
WITHIN = "(?1 = '' OR name = ?1 OR organization || '/' = ?1)"
"""What a WHERE says of the repositories of a scope, which is the first value."""
_SELECT = "SELECT id, name, organization, is_public FROM repositories"


class Repository(msgspec.Struct, frozen=True):
    """A repository."""

    id: int
    name: str
    organization: str
    is_public: bool


class Page(msgspec.Struct, frozen=True):
    """Some names in order, and whether there are more behind them."""

    names: list[str]
    has_more: bool


def find(connection: sqlite3.Connection, name: str) -> Repository | None:
    """Return a repository; None when there is none.

    Raises: NameInvalid.
    """
    if not is_name(name):
        raise NameInvalid(f"{name[:100]!r} is not the name of a repository", "write lower case: lab/base")
    row = connection.execute(f"{_SELECT} WHERE name = ?", (name,)).fetchone()
    return _repository(row) if row else None


def allowed(connection: sqlite3.Connection, identity: Identity, name: str, needed: Level) -> Repository:
    """Return a repository that somebody may use so; whether it exists is only told to those who may.

    Raises: NameInvalid, NotPermitted, NameUnknown.
    """
    return _required(identity, name, find(connection, name), needed)


def within(registry: Registry, scope: str) -> list[Repository]:
    """Return the repositories of a scope, by name."""
    with registry.reader.reading() as connection:
        rows = connection.execute(f"{_SELECT} WHERE {WITHIN} ORDER BY name", (scope,)).fetchall()
    return [_repository(row) for row in rows]


def _repository(row: tuple[int, str, str, int]) -> Repository:
    return Repository(row[0], row[1], row[2], bool(row[3]))


def require_organization(connection: sqlite3.Connection, name: str) -> None:
    """Raise NotFound for an organisation that is not there."""
    if not _organization(connection, name):
        raise errors.NotFound.named("organisation", name)


def require_read(identity: Identity, name: str, found: Repository | None) -> Repository:
    """Return a repository that somebody may read from, when there is one.

    Raises: NotPermitted, NameUnknown.
    """
    return _required(identity, name, found, Level.READ)


def _required(identity: Identity, name: str, found: Repository | None, needed: Level) -> Repository:
    is_public = found is not None and found.is_public
    require(identity.level(name, is_public=is_public), needed, name)
    if found is None:
        raise NameUnknown(f"no such repository: {name}", "push to it to make it")
    return found


def require_push(connection: sqlite3.Connection, identity: Identity, name: str) -> Repository | None:
    """Return the repository that somebody may push to; None when that makes it.

    Raises: NameInvalid, NotPermitted.
    """
    found = find(connection, name)
    require(identity.level(name), Level.WRITE, name)
    may_found = identity.is_admin or identity.is_founder
    if found is None and not may_found and not _organization(connection, organization_of(name)):
        raise Denied(f"there is no organisation {organization_of(name)}", "ask an administrator to make it")
    return found


def _organization(connection: sqlite3.Connection, name: str) -> tuple[int] | None:
    query = "SELECT is_public FROM organizations WHERE name = ?"
    found: tuple[int] | None = connection.execute(query, (name,)).fetchone()
    return found


def provide(registry: Registry, connection: sqlite3.Connection, identity: Identity, name: str) -> Repository:
    """Return a repository that somebody may push to, made now if there is none yet.

    An organisation that does not exist either is made by administrators only.

    Raises: NameInvalid, NotPermitted.
    """
    found = require_push(connection, identity, name)
    if found:
        return found
    organization = organization_of(name)
    is_public = _provide_organization(registry, connection, identity, organization)
    row = connection.execute(
        "INSERT INTO repositories (name, organization, is_public, created) VALUES (?, ?, ?, ?) RETURNING id",
        (name, organization, is_public, registry.now()),
    ).fetchone()
    events.note(registry, connection, identity, "repository", repository=name, detail="made by a push")
    return Repository(row[0], name, organization, is_public)


def _provide_organization(
    registry: Registry, connection: sqlite3.Connection, identity: Identity, name: str
) -> bool:
    """Return whether the repositories of an organisation are public at first."""
    row = _organization(connection, name)
    if row:
        return bool(row[0])
    connection.execute("INSERT INTO organizations (name, created) VALUES (?, ?)", (name, registry.now()))
    events.note(registry, connection, identity, "organization", detail=f"{name} made by a push")
    return False


def tags(registry: Registry, identity: Identity, name: str, last: str = "", most: int = MOST_ENTRIES) -> Page:
    """Return tags after `last`, in the order of their bytes.

    Raises: NameInvalid, NotPermitted, NameUnknown.
    """
    with registry.reader.reading() as connection:
        repository = allowed(connection, identity, name, Level.READ)
        return _page(
            connection,
            "SELECT name FROM tags WHERE repository = :repository AND name > :last ORDER BY name LIMIT :most",
            {"repository": repository.id, "last": last},
            most,
        )


def repositories(registry: Registry, identity: Identity, last: str = "", most: int = MOST_ENTRIES) -> Page:
    """Return the names of the repositories that somebody may read, after `last`."""
    with registry.reader.reading() as connection:
        return _page(
            connection,
            f"SELECT name FROM repositories r WHERE {seen('r')} AND name > :last ORDER BY name LIMIT :most",
            {**seeing(identity.lister()), "last": last},
            most,
        )


def seen(alias: str) -> str:
    """Return a condition of a statement: that somebody may read a repository; see `seeing`."""
    scopes = "(SELECT value FROM json_each(:scopes))"
    return (
        f"(:sees_all OR {alias}.is_public OR {alias}.name IN {scopes}"
        f" OR {alias}.organization || '/' IN {scopes})"
    )


def seeing(who: Identity) -> dict[str, object]:
    """Return the values that `seen` needs."""
    return {"sees_all": who.is_admin, "scopes": msgspec.json.encode(list(who.rights)).decode()}


def _page(connection: sqlite3.Connection, query: str, values: dict[str, object], most: int) -> Page:
    wanted = min(most, MOST_ENTRIES)
    if wanted < 0:
        raise errors.InvalidInput("a page cannot have fewer than no entries")
    names = [name for (name,) in connection.execute(query, {**values, "most": wanted + 1})]
    return Page(names[:wanted], wanted > 0 and len(names) > wanted)
