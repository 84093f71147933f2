"""Immutable tags.

The check belongs into the transaction that writes the tag: nothing can come between.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from containerlab.distribution.api.immutability import Immutability, ImmutabilityRule
from containerlab.distribution.api.values import Page
from containerlab.distribution.server.api.binding import serves
from containerlab.distribution.server.problems import Denied
from containerlab.distribution.server.registry import Registry
from containerlab.distribution.server.rights import Identity
from containerlab.distribution.server.rules import rules
from containerlab.distribution.server.rules.patterns import Selection

__all__ = ["check", "is_immutable", "listed", "remove", "set_rule", "tester"]

_KIND = "immutability"


@serves(Immutability.set)
def set_rule(
    registry: Registry,
    identity: Identity,
    scope: str,
    *,
    tags: tuple[str, ...] = ("*",),
    exceptions: tuple[str, ...] = (),
) -> ImmutabilityRule:
    """Make a rule."""
    wanted = Selection(tags=tags, exceptions=exceptions)
    wanted.check()
    return _shown(rules.add(registry, identity, _KIND, scope, wanted))


@serves(Immutability.list)
def listed(registry: Registry, identity: Identity, scope: str | None = None) -> Page[ImmutabilityRule]:
    """Return the rules of a scope, or all that may be seen."""
    return Page(tuple(map(_shown, rules.listed(registry, identity, _KIND, scope))))


@serves(Immutability.remove)
def remove(registry: Registry, identity: Identity, id: int) -> None:
    """Take a rule away."""
    rules.remove(registry, identity, _KIND, id)


def tester(connection: sqlite3.Connection, repository: str) -> Callable[[str], bool]:
    """Return what tells of a repository's tags whether they have to stay what they are."""
    known = [kept.read(Selection) for kept in rules.about(connection, _KIND, repository)]
    return lambda tag: any(rule.has(tag) for rule in known)


def is_immutable(connection: sqlite3.Connection, repository: str, tag: str) -> bool:
    """Tell whether a tag, once it is there, has to stay what it is."""
    return _rule_about(connection, repository, tag) is not None


def check(
    connection: sqlite3.Connection, repository: str, tag: str, old_digest: str, new_digest: str
) -> None:
    """Refuse to move an immutable tag, or to delete it; empty: there is none before, or after.

    connection: in the transaction that writes the tag.

    Raises: Denied.
    """
    if not old_digest or old_digest == new_digest:
        return
    if rule := _rule_about(connection, repository, tag):
        done = "moved" if new_digest else "deleted"
        raise Denied(
            f"tag {repository}:{tag} is immutable and was not {done}",
            f"push another tag, or let who manages {rule.scope or 'the registry'} remove rule {rule.id}",
        )


def _rule_about(connection: sqlite3.Connection, repository: str, tag: str) -> rules.Kept | None:
    kept = rules.about(connection, _KIND, repository)
    return next((rule for rule in kept if rule.read(Selection).has(tag)), None)


def _shown(kept: rules.Kept) -> ImmutabilityRule:
    rule = kept.read(Selection)
    return ImmutabilityRule(
        id=kept.id, scope=kept.scope, tags=rule.tags, exceptions=rule.exceptions, created=kept.created
    )
