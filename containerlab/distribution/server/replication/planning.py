"""What a replication is about as a whole: all that matches, here or there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing

from containerlab import errors
from containerlab.distribution.api.replications import Copy, ReplicationPolicy
from containerlab.distribution.server.partners import Partner
from containerlab.distribution.server.registry import Registry
from containerlab.distribution.server.rules import patterns
from containerlab.oci.distribution import is_name

__all__ = ["destination", "plan"]

_MOST = 100_000
_PLAIN = re.compile(r"[a-z0-9._/-]+")


def destination(policy: ReplicationPolicy, repository: str) -> str:
    """Return what a repository is called where it is copied to."""
    return f"{policy.prefix}/{repository}" if policy.prefix else repository


def plan(registry: Registry, policy: ReplicationPolicy, partner: Partner) -> list[Copy]:
    """Return what a run copies and deletes.

    Raises: what the other registry answers; Conflict when it is too much.
    """
    found: list[Copy] = []
    for each in (
        _pushes(registry, policy) if policy.direction == "push" else _pulls(registry, policy, partner)
    ):
        found.append(each)
        if len(found) > _MOST:
            raise errors.Conflict(f"more than {_MOST} tags are copied", "make several replications of it")
    return found


def _pushes(registry: Registry, policy: ReplicationPolicy) -> Iterator[Copy]:
    tags = patterns.compiled(policy.tags)
    wanted = patterns.compiled(policy.repositories, of_repositories=True)
    with registry.reader.reading() as connection:
        rows = connection.execute(
            "SELECT r.name, t.name FROM tags t JOIN repositories r ON r.id = t.repository ORDER BY 1, 2"
        ).fetchall()
    for repository, tag in rows:
        if wanted.matches(repository) and tags.matches(tag):
            yield Copy(action="copy", repository=repository, reference=tag)


def _pulls(registry: Registry, policy: ReplicationPolicy, partner: Partner) -> Iterator[Copy]:
    wanted = patterns.compiled(policy.tags)
    for repository in _repositories(registry, policy, partner):
        with closing(partner.remote(registry, repository)) as remote:
            tags = {tag for tag in remote.tags() if wanted.matches(tag)}
        for tag in sorted(tags):
            yield Copy(action="copy", repository=repository, reference=tag)
        if policy.deletes:
            for tag in sorted(_tags_here(registry, destination(policy, repository)) - tags):
                if wanted.matches(tag):
                    yield Copy(action="delete", repository=repository, reference=tag)


def _repositories(registry: Registry, policy: ReplicationPolicy, partner: Partner) -> list[str]:
    """Return the repositories there; the catalogue is asked for only when a pattern says so."""
    if _PLAIN.fullmatch(policy.repositories):
        return [policy.repositories]
    wanted = patterns.compiled(policy.repositories, of_repositories=True)
    with closing(partner.remote(registry, "x")) as remote:
        return sorted(name for name in remote.catalog() if is_name(name) and wanted.matches(name))


def _tags_here(registry: Registry, repository: str) -> set[str]:
    with registry.reader.reading() as connection:
        rows = connection.execute(
            "SELECT t.name FROM tags t JOIN repositories r ON r.id = t.repository WHERE r.name = ?",
            (repository,),
        ).fetchall()
    return {name for (name,) in rows}
