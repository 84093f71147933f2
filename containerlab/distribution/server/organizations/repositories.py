"""Repositories: what is said of them, who sees them, and their removal as a whole."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Iterator

from containerlab import errors
from containerlab.distribution.api.repositories import Repositories, Repository
from containerlab.distribution.api.values import Page
from containerlab.distribution.server import events
from containerlab.distribution.server.accounts.naming import check_text
from containerlab.distribution.server.api.binding import serves
from containerlab.distribution.server.problems import Denied
from containerlab.distribution.server.registry import Registry
from containerlab.distribution.server.rights import (
    DEFAULT_ORGANIZATION,
    Identity,
    Level,
    require,
    require_person,
)
from containerlab.distribution.server.rules import immutability
from containerlab.store import removal

__all__ = ["delete", "forget_scopes", "inspect", "listed", "remove", "update"]

_OF_SCOPES = ("rights", "rules", "webhooks")
"""Tables with rows that are about a scope."""
_BATCH = 500


@serves(Repositories.list)
def listed(
    registry: Registry,
    identity: Identity,
    *,
    organization: str | None = None,
    category: str | None = None,
    search: str = "",
    limit: int = 100,
    after: str = "",
) -> Page[Repository]:
    """Return the repositories that somebody may pull from, by name."""
    where = "(? IS NULL OR organization = ?) AND (? IS NULL OR category = ?)"
    where += " AND (instr(name, lower(?)) OR instr(lower(description), lower(?)))"
    values = (organization, organization, category, category, search, search)
    names = list(itertools.islice(_readable(registry, identity, where, values, after), limit + 1))
    with registry.reader.reading() as connection:
        rows = (_row(connection, name) for name in names[:limit])
        found = tuple(_repository(identity, row) for row in rows if row)
    return Page(found, names[limit - 1] if len(names) > limit else "")


def _readable(
    registry: Registry, identity: Identity, where: str, values: tuple[str | None, ...], after: str
) -> Iterator[str]:
    """Go through names in order, in batches: nobody else waits for the connection meanwhile."""
    while True:
        with registry.reader.reading() as connection:
            rows = connection.execute(
                f"SELECT name, is_public FROM repositories WHERE name > ? AND {where} ORDER BY name LIMIT ?",
                (after, *values, _BATCH),
            ).fetchall()
        for name, is_public in rows:
            if identity.level(name, is_public=bool(is_public)) >= Level.READ:
                yield name
        if len(rows) < _BATCH:
            return
        after = rows[-1][0]


@serves(Repositories.inspect)
def inspect(registry: Registry, identity: Identity, repository: str) -> Repository:
    """Return a repository.

    Raises: NotFound, also for one that somebody may not pull from.
    """
    with registry.reader.reading() as connection:
        return _visible(connection, identity, repository)


@serves(Repositories.update)
def update(
    registry: Registry,
    identity: Identity,
    repository: str,
    *,
    description: str | None = None,
    category: str | None = None,
    is_public: bool | None = None,
) -> Repository:
    """Change what is said of a repository, and whether everybody may pull from it.

    Raises: NotPermitted, NotFound, InvalidInput.
    """
    for text in (description, category):
        check_text(text or "")
    with registry.database.writing() as connection:
        _managed(connection, identity, repository, "change")
        connection.execute(
            "UPDATE repositories SET description = coalesce(?, description),"
            " category = coalesce(?, category), is_public = coalesce(?, is_public) WHERE name = ?",
            (description, category, is_public, repository),
        )
        said = {None: "described anew", True: "made public", False: "made private"}[is_public]
        events.note(registry, connection, identity, "repository", repository=repository, detail=said)
        return _visible(connection, identity, repository)


@serves(Repositories.remove)
def remove(registry: Registry, identity: Identity, repository: str) -> None:
    """Remove a repository with all that is in it, and the rights and rules on it.

    Raises: NotPermitted, NotFound.
    """
    with registry.database.writing() as connection:
        _managed(connection, identity, repository, "remove")
        delete(registry, connection, identity, repository)
    removal.collect(registry.images)


def delete(registry: Registry, connection: sqlite3.Connection, identity: Identity, repository: str) -> None:
    """Delete a repository in a transaction; its blobs go with the next collection.

    Raises: Denied when a tag of it is immutable.
    """
    is_immutable = immutability.tester(connection, repository)
    rows = connection.execute(
        "SELECT t.name FROM tags t JOIN repositories r ON r.id = t.repository WHERE r.name = ?", (repository,)
    )
    if kept := next((tag for (tag,) in rows if is_immutable(tag)), ""):
        raise Denied(f"tag {repository}:{kept} is immutable", "remove the rule that makes it so first")
    connection.execute("DELETE FROM repositories WHERE name = ?", (repository,))
    forget_scopes(connection, repository)
    events.note(registry, connection, identity, "repository", repository=repository, detail="removed")


def forget_scopes(connection: sqlite3.Connection, scope: str) -> None:
    """Remove what was set up for an organisation (`lab/`, with all below) or a repository that is gone.

    Whoever makes one of the same name later gets none of it.
    """
    below = scope if scope.endswith("/") else f"{scope}\0"
    where = "scope = ? OR substr(scope, 1, ?) = ?"
    if scope == f"{DEFAULT_ORGANIZATION}/":
        where += " OR (scope != '' AND instr(scope, '/') = 0)"
    for table in _OF_SCOPES:
        connection.execute(f"DELETE FROM {table} WHERE {where}", (scope, len(below), below))


def _managed(connection: sqlite3.Connection, identity: Identity, repository: str, verb: str) -> None:
    """Tell somebody who may not pull from it that there is none, and others that they may not change it."""
    require_person(identity, f"{verb} a repository")
    _visible(connection, identity, repository)
    require(identity.level(repository), Level.MANAGE, f"{verb} repository {repository}")


_SELECT = """
SELECT name, organization, description, category, is_public, created,
    (SELECT count(*) FROM tags WHERE repository = r.id),
    coalesce((SELECT sum(size) FROM links WHERE repository = r.id), 0),
    coalesce((SELECT sum(pulls) FROM manifests WHERE repository = r.id), 0),
    (SELECT max(pushed) FROM manifests WHERE repository = r.id)
FROM repositories r WHERE name = ?
"""
_Row = tuple[str, str, str, str, int, float, int, int, int, float | None]


def _row(connection: sqlite3.Connection, name: str) -> _Row | None:
    row: _Row | None = connection.execute(_SELECT, (name,)).fetchone()
    return row


def _visible(connection: sqlite3.Connection, identity: Identity, name: str) -> Repository:
    row = _row(connection, name)
    if row is None or identity.level(name, is_public=bool(row[4])) < Level.READ:
        raise errors.NotFound.named("repository", name)
    return _repository(identity, row)


def _repository(identity: Identity, row: _Row) -> Repository:
    name, organization, description, category, is_public, created, tags, size, pulls, pushed = row
    return Repository(
        name=name,
        organization=organization,
        description=description,
        category=category,
        is_public=bool(is_public),
        created=created,
        tags=tags,
        size_bytes=size,
        pulls=pulls,
        pushed=pushed,
        level=identity.level(name, is_public=bool(is_public)).word,
    )
