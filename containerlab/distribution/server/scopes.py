"""What a webhook or another rule is about: everything, an organisation (`lab/`), or one repository."""

from __future__ import annotations

import sqlite3

from containerlab import errors
from containerlab.distribution.server.rights import Identity, Level, organization_of, require
from containerlab.oci import distribution

__all__ = ["covers", "manages", "repository_of", "require_managed", "require_meant"]


def covers(scope: str, repository: str) -> bool:
    """Tell whether a repository is within a scope.

    >>> covers("lab/", "lab/base"), covers("lab/base", "lab/base2"), covers("", "x")
    (True, False, True)
    """
    if scope.endswith("/"):
        return bool(repository) and organization_of(repository) == scope[:-1]
    return scope in ("", repository)


def repository_of(scope: str) -> str:
    """Return the repository that a scope is, for the audit log; empty for what is more than one."""
    return "" if scope.endswith("/") else scope


def manages(identity: Identity, scope: str) -> bool:
    """Tell whether somebody may set up what a scope is about; of everything, only administrators may."""
    return _level(identity, scope) >= Level.MANAGE


def require_managed(identity: Identity, scope: str, what: str) -> None:
    """Check a scope that somebody names.

    Raises: InvalidInput, NotPermitted.
    """
    name = scope.removesuffix("/")
    if scope and (not distribution.is_name(name) or (scope.endswith("/") and "/" in name)):
        raise errors.InvalidInput(
            f"{scope[:100]!r} is no scope", "write an organisation as lab/, a repository as lab/base"
        )
    if identity.limits is not None:
        raise errors.NotPermitted(f"a token for repositories cannot {what}", "log in as a user")
    require(_level(identity, scope), Level.MANAGE, f"{what} for {scope or 'the whole registry'}")


def require_meant(connection: sqlite3.Connection, identity: Identity, scope: str) -> None:
    """Refuse an organisation without its slash: a rule for a repository of that name would do nothing.

    Raises: NotFound.
    """
    if "/" in scope or identity.level_in(scope) < Level.READ:
        return
    repositories, organizations = connection.execute(
        "SELECT (SELECT count(*) FROM repositories WHERE name = ?1),"
        " (SELECT count(*) FROM organizations WHERE name = ?1)",
        (scope,),
    ).fetchone()
    if organizations and not repositories:
        raise errors.NotFound(f"no such repository: {scope}", f"write {scope}/ for the organisation {scope}")


def _level(identity: Identity, scope: str) -> Level:
    if not scope:
        return Level.MANAGE if identity.is_admin and identity.limits is None else Level.NONE
    return identity.level_in(scope[:-1]) if scope.endswith("/") else identity.level(scope)
