"""Webhooks: who is told of what happens in a registry, an organisation or a repository."""

from __future__ import annotations

import secrets as randomness
import sqlite3
from typing import get_args

import msgspec

from containerlab import errors
from containerlab.distribution.server import deliveries, events, notifications, targets
from containerlab.distribution.server.deliveries import Delivery
from containerlab.distribution.server.events import Event
from containerlab.distribution.server.posting import Poster
from containerlab.distribution.server.registry import Registry
from containerlab.distribution.server.rights import Identity
from containerlab.distribution.server.scopes import manages, require_managed

__all__ = [
    "Created",
    "Webhook",
    "Wishes",
    "create",
    "delivery_history",
    "listed",
    "redeliver",
    "remove",
    "show",
    "test",
    "update",
]

_KINDS = ("push", "delete", "tag.delete")
_MOST = 100
"""Webhooks of one scope: each costs a row for every event."""
_NO_SECRET = "write one of 16 characters or more, or leave it out and one is made"


class Wishes(msgspec.Struct, frozen=True, kw_only=True):
    """What a webhook is told, and where."""

    url: str
    kinds: tuple[str, ...] = _KINDS
    """Of events."""
    format: str = "cloudevents"
    """cloudevents, or docker for receivers of Docker's notifications."""
    tls_verify: bool = True
    is_enabled: bool = True
    description: str = ""


class Webhook(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook, without its secret."""

    id: int
    scope: str
    """An organisation with a slash (`lab/`), a repository (`lab/base`), or empty for all."""
    wishes: Wishes
    created: float
    waiting: int
    """Deliveries that are still to be made."""
    status: str
    """Of the last delivery: waiting, delivered, failed, or empty."""


class Created(msgspec.Struct, frozen=True, kw_only=True):
    """A new webhook with its secret, which nobody is shown again."""

    webhook: Webhook
    secret: str


_QUERY = (
    "SELECT id, scope, document, created, (SELECT count(*) FROM deliveries WHERE webhook = w.id AND"
    " next IS NOT NULL), (SELECT status FROM deliveries WHERE webhook = w.id ORDER BY id DESC LIMIT 1)"
    " FROM webhooks w"
)


def create(registry: Registry, who: Identity, scope: str, wishes: Wishes, secret: str = "") -> Created:
    """Let a URL be told what happens from now on; without a secret one is made.

    Raises: NotPermitted, InvalidInput, Conflict when there are too many.
    """
    require_managed(who, scope, "make a webhook")
    _check(registry, wishes)
    secret = _checked_secret(secret or randomness.token_urlsafe(32))
    with registry.database.writing() as connection:
        count = connection.execute("SELECT count(*) FROM webhooks WHERE scope = ?", (scope,)).fetchone()[0]
        if count >= _MOST:
            raise errors.Conflict(f"there are {count} webhooks for this scope already", "remove one")
        seen = connection.execute("SELECT coalesce(max(id), 0) FROM events").fetchone()[0]
        number = connection.execute(
            "INSERT INTO webhooks (scope, document, secret, seen, created) VALUES (?, ?, ?, ?, ?)",
            (scope, msgspec.json.encode(wishes).decode(), secret, seen, registry.now()),
        ).lastrowid
        _note(registry, connection, who, scope, f"webhook {number} to {_host(wishes)} was made")
    assert number is not None
    return Created(webhook=show(registry, who, number), secret=secret)


def listed(registry: Registry, who: Identity, scope: str = "") -> list[Webhook]:
    """Return the webhooks of a scope, or of all scopes that `who` manages."""
    with registry.reader.reading() as connection:
        found = [_webhook(row) for row in connection.execute(f"{_QUERY} ORDER BY id").fetchall()]
    return [each for each in found if manages(who, each.scope) and scope in ("", each.scope)]


def show(registry: Registry, who: Identity, number: int) -> Webhook:
    """Return a webhook.

    Raises: NotFound, also for who may not see it.
    """
    with registry.reader.reading() as connection:
        return _find(connection, who, number)


def update(registry: Registry, who: Identity, number: int, wishes: Wishes, secret: str = "") -> Webhook:
    """Change a webhook; its secret too, if one is given.

    Raises: NotFound, InvalidInput.
    """
    _check(registry, wishes)
    if secret:
        _checked_secret(secret)
    with registry.database.writing() as connection:
        found = _find(connection, who, number)
        connection.execute(
            "UPDATE webhooks SET document = ?, secret = iif(? = '', secret, ?) WHERE id = ?",
            (msgspec.json.encode(wishes).decode(), secret, secret, number),
        )
        _note(registry, connection, who, found.scope, f"webhook {number} to {_host(wishes)} was changed")
        return _find(connection, who, number)


def remove(registry: Registry, who: Identity, number: int) -> None:
    """Remove a webhook with what it had still to deliver.

    Raises: NotFound.
    """
    with registry.database.writing() as connection:
        found = _find(connection, who, number)
        connection.execute("DELETE FROM webhooks WHERE id = ?", (number,))
        _note(registry, connection, who, found.scope, f"webhook {number} was removed")


def test(registry: Registry, who: Identity, number: int) -> Delivery:
    """Send a webhook an event of the kind `ping` at once, before all that waits, and return how it went.

    Raises: NotFound.
    """
    event = Event(time=registry.now(), kind="ping", account=who.name, detail="a test")
    with registry.database.writing() as connection:
        found = _find(connection, who, number)
        delivery = deliveries.put(registry, connection, number, event, found.wishes.format)
        # Nobody else tries it meanwhile; without an answer it stays as one that failed.
        connection.execute(
            "UPDATE deliveries SET next = NULL, status = 'failed', answer = 'unknown' WHERE id = ?",
            (delivery,),
        )
    poster = Poster(allows_private=registry.settings.allows_private_targets)
    deliveries.try_once(registry, poster, delivery, is_last=True)
    return next(each for each in deliveries.listed(registry, number) if each.id == delivery)


def delivery_history(registry: Registry, who: Identity, number: int) -> list[Delivery]:
    """Return the last hundred deliveries and those that wait, newest first.

    Raises: NotFound.
    """
    show(registry, who, number)
    return deliveries.listed(registry, number)


def redeliver(registry: Registry, who: Identity, number: int, delivery: int) -> Delivery:
    """Queue a delivery once more, with the same event id, and return the new one.

    Raises: NotFound.
    """
    with registry.database.writing() as connection:
        _find(connection, who, number)
        new = deliveries.repeat(registry, connection, number, delivery)
    return next(each for each in deliveries.listed(registry, number) if each.id == new)


def _check(registry: Registry, wishes: Wishes) -> None:
    known = get_args(events.Kind)
    for kind in wishes.kinds:
        if kind not in known:
            raise errors.InvalidInput(
                f"there are no events of the kind {kind!r}",
                errors.nearest(kind, known) or f"kinds are {', '.join(known)}",
            )
    if not wishes.kinds:
        raise errors.InvalidInput("a webhook without kinds of events is told nothing", "name one: push")
    if wishes.format not in notifications.FORMATS:
        raise errors.InvalidInput(
            f"there is no format {wishes.format!r}", f"write {' or '.join(notifications.FORMATS)}"
        )
    if len(wishes.description) > 1000:
        raise errors.InvalidInput("the description is too long", "use at most 1000 characters")
    targets.check(wishes.url, allows_private=registry.settings.allows_private_targets)


def _checked_secret(secret: str) -> str:
    if not 16 <= len(secret) <= 256:
        raise errors.InvalidInput(f"a secret of {len(secret)} characters is not taken", _NO_SECRET)
    return secret


def _host(wishes: Wishes) -> str:
    return targets.parse(wishes.url).host


def _find(connection: sqlite3.Connection, who: Identity, number: int) -> Webhook:
    row = connection.execute(f"{_QUERY} WHERE id = ?", (number,)).fetchone()
    if row is None or not manages(who, row[1]):
        raise errors.NotFound(f"no such webhook: {number}", "`registry webhook ls` shows them")
    return _webhook(row)


def _webhook(row: tuple[int, str, str, float, int, str | None]) -> Webhook:
    number, scope, raw, created, waiting, status = row
    return Webhook(
        id=number,
        scope=scope,
        wishes=msgspec.json.decode(raw, type=Wishes),
        created=created,
        waiting=waiting,
        status=status or "",
    )


def _note(registry: Registry, connection: sqlite3.Connection, who: Identity, scope: str, detail: str) -> None:
    repository = "" if scope.endswith("/") else scope
    events.note(registry, connection, who, "webhook", repository=repository, detail=detail)
