"""Upstreams: which there are, and which one a repository is looked for in."""

from __future__ import annotations

import sqlite3
from typing import Any, NamedTuple

import msgspec

from containerlab import errors
from containerlab.distribution.api.upstreams import Upstream, UpstreamChange, UpstreamPolicy, Upstreams
from containerlab.distribution.api.values import Page
from containerlab.distribution.server import events
from containerlab.distribution.server.api.binding import serves
from containerlab.distribution.server.content import catalog
from containerlab.distribution.server.partners import Partner, changed, document
from containerlab.distribution.server.registry import Registry
from containerlab.distribution.server.rights import Identity, organization_of
from containerlab.distribution.server.scopes import require_managed
from containerlab.oci.distribution import is_name

__all__ = [
    "Served",
    "create",
    "inspect",
    "is_public",
    "listed",
    "local_name",
    "provide_organization",
    "remove",
    "serving",
    "update",
]

_MOST = 100
_COLUMNS = "id, document, secret, created"


class Served(NamedTuple):
    """A repository, and where it is looked for."""

    id: int
    policy: UpstreamPolicy
    partner: Partner
    name: str
    """What it is called there."""


@serves(Upstreams.create)
def create(registry: Registry, identity: Identity, policy: UpstreamPolicy) -> Upstream:
    """Begin to look for what is missing in another registry.

    Raises: NotPermitted, InvalidInput; AlreadyExists when the prefix has one; Conflict when its organisation
        is there and private, and it is not.
    """
    require_managed(identity, "", "set up an upstream")
    _check(registry, policy)
    with registry.database.writing() as connection:
        count = connection.execute("SELECT count(*) FROM upstreams").fetchone()[0]
        if count >= _MOST:
            raise errors.Conflict(f"there are {count} upstreams already", "remove one")
        _require_free(connection, policy.prefix, 0)
        number = connection.execute(
            "INSERT INTO upstreams (prefix, document, secret, created) VALUES (?, ?, ?, ?)",
            (policy.prefix, document(policy), policy.password or "", registry.now()),
        ).lastrowid
        assert number is not None
        _provide_organization(registry, connection, policy, is_new=True)
        _note(registry, connection, identity, f"upstream {number}, {policy.registry}, was set up")
    return inspect(registry, identity, number)


@serves(Upstreams.list)
def listed(registry: Registry, identity: Identity) -> Page[Upstream]:
    """Return all upstreams."""
    require_managed(identity, "", "see upstreams")
    return Page(tuple(_upstream(row) for row in _rows(registry)))


@serves(Upstreams.inspect)
def inspect(registry: Registry, identity: Identity, id: int) -> Upstream:
    """Return an upstream.

    Raises: NotPermitted, NotFound.
    """
    require_managed(identity, "", "see upstreams")
    with registry.reader.reading() as connection:
        return _find(connection, id)


@serves(Upstreams.update)
def update(registry: Registry, identity: Identity, id: int, change: UpstreamChange) -> Upstream:
    """Change what is given.

    Raises: NotPermitted, NotFound, InvalidInput, AlreadyExists, Conflict.
    """
    found = inspect(registry, identity, id).policy
    policy, password = changed(found, change)
    _check(registry, policy)
    with registry.database.writing() as connection:
        _require_free(connection, policy.prefix, id)
        connection.execute(
            "UPDATE upstreams SET prefix = ?, document = ?, secret = coalesce(?, secret) WHERE id = ?",
            (policy.prefix, document(policy), password, id),
        )
        _provide_organization(registry, connection, policy, is_new=policy.prefix != found.prefix)
        _note(registry, connection, identity, f"upstream {id}, {policy.registry}, was changed")
        return _find(connection, id)


@serves(Upstreams.remove)
def remove(registry: Registry, identity: Identity, id: int) -> None:
    """Remove an upstream; what is kept of it stays.

    Raises: NotPermitted, NotFound.
    """
    require_managed(identity, "", "set up an upstream")
    with registry.database.writing() as connection:
        found = _find(connection, id)
        connection.execute("DELETE FROM upstreams WHERE id = ?", (id,))
        _note(registry, connection, identity, f"upstream {id}, {found.policy.registry}, was removed")


def serving(registry: Registry, repository: str) -> Served | None:
    """Return where a repository is looked for: by the longest prefix; None when nowhere. Microseconds."""
    for prefix, number, policy, partner in _known(registry):
        rest = repository.removeprefix(f"{prefix}/") if prefix else repository
        if rest != repository or (not prefix and _is_open(registry, repository)):
            return Served(number, policy, partner, f"{policy.path}/{rest}" if policy.path else rest)
    return None


def is_public(registry: Registry, repository: str) -> bool:
    """Tell whether everybody may read a repository, or could when it comes from its upstream. Microseconds.

    Raises: NameInvalid.
    """

    def look(connection: sqlite3.Connection) -> bool | None:
        found = catalog.find(connection, repository)
        if found:
            return found.is_public
        row = connection.execute(
            "SELECT is_public FROM organizations WHERE name = ?", (organization_of(repository),)
        ).fetchone()
        return bool(row[0]) if row else None

    found = registry.remembered.look(("is_public", repository), look)
    if found is None:
        served = serving(registry, repository)
        return served is not None and served.policy.is_public
    return found


def provide_organization(
    registry: Registry, connection: sqlite3.Connection, served: Served, repository: str
) -> None:
    """See that there is an organisation for what comes."""
    connection.execute(
        "INSERT OR IGNORE INTO organizations (name, is_public, created, upstream) VALUES (?, ?, ?, ?)",
        (organization_of(repository), served.policy.is_public, registry.now(), served.id),
    )


def _is_open(registry: Registry, repository: str) -> bool:
    """Tell whether the upstream for all names may have a say in an organisation.

    Not in those that are the users' own: somebody there could take the name of what is deleted here, or
    mistyped, and it would be pulled as if it were ours.
    """

    def look(connection: sqlite3.Connection) -> bool:
        row = connection.execute(
            "SELECT upstream FROM organizations WHERE name = ?", (organization_of(repository),)
        ).fetchone()
        return row is None or row[0] is not None

    return registry.remembered.look(("is_open", repository), look)


def local_name(registry: Registry, repository: str, namespace: str) -> str:
    """Return what a repository of another registry is called here, for who takes us for its mirror."""
    for prefix, _, policy, _ in _known(registry):
        if policy.answers_ns and policy.registry == namespace:
            rest = repository.removeprefix(f"{policy.path}/") if policy.path else repository
            return f"{prefix}/{rest}" if prefix else rest
    return repository


_Known = tuple[str, int, UpstreamPolicy, Partner]


def _known(registry: Registry) -> list[_Known]:
    """Return all upstreams, those with the longest prefix first."""

    def look(connection: sqlite3.Connection) -> list[_Known]:
        rows = connection.execute(f"SELECT {_COLUMNS} FROM upstreams").fetchall()
        policies = [(row[0], msgspec.json.decode(row[1], type=UpstreamPolicy), row[2]) for row in rows]
        policies.sort(key=lambda each: -len(each[1].prefix))
        return [(each.prefix, number, each, Partner.of(each, secret)) for number, each, secret in policies]

    return registry.remembered.look("upstreams", look)


def _check(registry: Registry, policy: UpstreamPolicy) -> None:
    for text in (policy.prefix, policy.path):
        if text and not is_name(text):
            raise errors.InvalidInput(
                f"{text[:100]!r} cannot come before names", "write it like the name of a repository"
            )
    Partner.of(policy, policy.password).check(registry)


def _require_free(connection: sqlite3.Connection, prefix: str, number: int) -> None:
    row = connection.execute("SELECT id FROM upstreams WHERE prefix = ?", (prefix,)).fetchone()
    if row and row[0] != number:
        raise errors.AlreadyExists(
            f"the prefix {prefix!r} has the upstream {row[0]}", "change that, or take another prefix"
        )


def _provide_organization(
    registry: Registry, connection: sqlite3.Connection, policy: UpstreamPolicy, *, is_new: bool
) -> None:
    if policy.prefix:
        name = organization_of(f"{policy.prefix}/x")
        connection.execute(
            "INSERT OR IGNORE INTO organizations (name, is_public, created) VALUES (?, ?, ?)",
            (name, policy.is_public, registry.now()),
        )
        row = connection.execute("SELECT is_public FROM organizations WHERE name = ?", (name,)).fetchone()
        if is_new and policy.is_public and not row[0]:
            raise errors.Conflict(
                f"organisation {name} is there already, and what is new in it is private",
                f"make it public first: registry organization update {name} --public",
            )


def _rows(registry: Registry) -> list[tuple[Any, ...]]:
    with registry.reader.reading() as connection:
        return connection.execute(f"SELECT {_COLUMNS} FROM upstreams ORDER BY id").fetchall()


def _find(connection: sqlite3.Connection, number: int) -> Upstream:
    row = connection.execute(f"SELECT {_COLUMNS} FROM upstreams WHERE id = ?", (number,)).fetchone()
    if row is None:
        raise errors.NotFound(f"no such upstream: {number}", "`registry upstream ls` shows them")
    return _upstream(row)


def _upstream(row: tuple[Any, ...]) -> Upstream:
    number, raw, _, created = row
    return Upstream(id=number, policy=msgspec.json.decode(raw, type=UpstreamPolicy), created=created)


def _note(registry: Registry, connection: sqlite3.Connection, identity: Identity, detail: str) -> None:
    events.note(registry, connection, identity, "upstream", detail=detail)
