"""Webhooks: who may make them, and what they are told where."""

from __future__ import annotations

import secrets as randomness
import sqlite3
from typing import Any

import msgspec

from containerlab import errors
from containerlab.distribution.api.events import Event, Kind
from containerlab.distribution.api.values import Page
from containerlab.distribution.api.webhooks import (
    CHANGES,
    CreatedWebhook,
    Delivery,
    Format,
    Webhook,
    Webhooks,
)
from containerlab.distribution.server import events
from containerlab.distribution.server.api.binding import serves
from containerlab.distribution.server.registry import Registry
from containerlab.distribution.server.rights import Identity
from containerlab.distribution.server.scopes import manages, repository_of, require_managed, require_meant
from containerlab.distribution.server.webhooks import deliveries, targets
from containerlab.distribution.server.webhooks.deliveries import Wishes
from containerlab.distribution.server.webhooks.posting import Poster

__all__ = ["create", "delivery_history", "inspect", "listed", "redeliver", "remove", "test", "update"]

_MOST = 100
"""Webhooks of one scope: each costs a row for every event."""
_TEST_S = 5.0
_NO_SECRET = "write one of 16 to 256 characters, or leave it out and one is made"
_QUERY = (
    "SELECT id, scope, document, created, (SELECT count(*) FROM deliveries WHERE webhook = w.id AND"
    " next IS NOT NULL), (SELECT status FROM deliveries WHERE webhook = w.id ORDER BY id DESC LIMIT 1)"
    " FROM webhooks w"
)


@serves(Webhooks.create)
def create(
    registry: Registry,
    identity: Identity,
    url: str,
    scope: str = "",
    *,
    kinds: tuple[Kind, ...] = CHANGES,
    secret: str = "",
    format: Format = "cloudevents",
    tls_verify: bool = True,
) -> CreatedWebhook:
    """Let a URL be told what happens from now on; without a secret one is made.

    Raises: NotPermitted, InvalidInput, Conflict when there are too many.
    """
    require_managed(identity, scope, "make a webhook")
    wishes = Wishes(url=url, kinds=kinds, format=format, tls_verify=tls_verify)
    _check(registry, url)
    secret = _checked_secret(secret or randomness.token_urlsafe(32))
    with registry.database.writing() as connection:
        require_meant(connection, identity, scope)
        count = connection.execute("SELECT count(*) FROM webhooks WHERE scope = ?", (scope,)).fetchone()[0]
        if count >= _MOST:
            raise errors.Conflict(f"there are {count} webhooks for this scope already", "remove one")
        seen = connection.execute("SELECT coalesce(max(id), 0) FROM events").fetchone()[0]
        number = connection.execute(
            "INSERT INTO webhooks (scope, document, secret, seen, created) VALUES (?, ?, ?, ?, ?)",
            (scope, msgspec.json.encode(wishes).decode(), secret, seen, registry.now()),
        ).lastrowid
        _note(registry, connection, identity, scope, f"webhook {number} to {_host(url)} was made")
    assert number is not None
    return CreatedWebhook(webhook=inspect(registry, identity, number), secret=secret)


@serves(Webhooks.list)
def listed(registry: Registry, identity: Identity, scope: str = "") -> Page[Webhook]:
    """Return the webhooks of a scope, or of all scopes that `identity` manages."""
    with registry.reader.reading() as connection:
        found = [_webhook(row) for row in connection.execute(f"{_QUERY} ORDER BY id").fetchall()]
    return Page(tuple(each for each in found if manages(identity, each.scope) and scope in ("", each.scope)))


@serves(Webhooks.inspect)
def inspect(registry: Registry, identity: Identity, id: int) -> Webhook:
    """Return a webhook.

    Raises: NotFound, also for who may not see it.
    """
    with registry.reader.reading() as connection:
        return _find(connection, identity, id)


@serves(Webhooks.update)
def update(
    registry: Registry,
    identity: Identity,
    id: int,
    *,
    url: str | None = None,
    kinds: tuple[Kind, ...] | None = None,
    secret: str | None = None,
    tls_verify: bool | None = None,
    is_enabled: bool | None = None,
) -> Webhook:
    """Change what is given.

    Raises: NotFound, InvalidInput.
    """
    new = {"url": url, "kinds": kinds, "tls_verify": tls_verify, "is_enabled": is_enabled}
    if url is not None:
        _check(registry, url)
    if secret is not None:
        _checked_secret(secret)
    with registry.database.writing() as connection:
        found = _find(connection, identity, id)
        _change(connection, id, {name: value for name, value in new.items() if value is not None}, secret)
        _note(registry, connection, identity, found.scope, f"webhook {id} to {_host(found.url)} was changed")
        return _find(connection, identity, id)


@serves(Webhooks.remove)
def remove(registry: Registry, identity: Identity, id: int) -> None:
    """Remove a webhook with what it had still to deliver.

    Raises: NotFound.
    """
    with registry.database.writing() as connection:
        found = _find(connection, identity, id)
        connection.execute("DELETE FROM webhooks WHERE id = ?", (id,))
        _note(registry, connection, identity, found.scope, f"webhook {id} to {_host(found.url)} was removed")


@serves(Webhooks.test)
def test(registry: Registry, identity: Identity, id: int) -> Delivery:
    """Send a webhook an event of the kind `ping` at once, before all that waits, and return how it went.

    Raises: NotFound.
    """
    event = Event(time=registry.now(), kind="ping", account=identity.name, detail="a test")
    with registry.database.writing() as connection:
        found = _find(connection, identity, id)
        delivery = deliveries.put(registry, connection, id, event, found.format)
        # Nobody else tries it meanwhile; without an answer it stays as one that failed.
        connection.execute(
            "UPDATE deliveries SET next = NULL, status = 'failed', answer = 'unknown' WHERE id = ?",
            (delivery,),
        )
    poster = Poster(allows_private=registry.settings.allows_private_targets, timeout_s=_TEST_S)
    deliveries.try_once(registry, poster, delivery, is_last=True)
    return deliveries.find(registry, id, delivery)


@serves(Webhooks.deliveries)
def delivery_history(registry: Registry, identity: Identity, id: int) -> Page[Delivery]:
    """Return what waits and the last hundred deliveries, newest first.

    Raises: NotFound.
    """
    inspect(registry, identity, id)
    return Page(tuple(deliveries.listed(registry, id)))


@serves(Webhooks.redeliver)
def redeliver(registry: Registry, identity: Identity, id: int, delivery: int) -> Delivery:
    """Queue a delivery once more, with the same event id, and return the new one.

    Raises: NotFound.
    """
    with registry.database.writing() as connection:
        _find(connection, identity, id)
        new = deliveries.repeat(registry, connection, id, delivery)
    return deliveries.find(registry, id, new)


def _check(registry: Registry, url: str) -> None:
    targets.check(url, allows_private=registry.settings.allows_private_targets)


def _checked_secret(secret: str) -> str:
    if not 16 <= len(secret) <= 256:
        raise errors.InvalidInput(f"a secret of {len(secret)} characters is not taken", _NO_SECRET)
    return secret


def _host(url: str) -> str:
    return targets.parse(url).host


def _change(connection: sqlite3.Connection, number: int, new: dict[str, Any], secret: str | None) -> None:
    raw = connection.execute("SELECT document FROM webhooks WHERE id = ?", (number,)).fetchone()[0]
    wishes = msgspec.structs.replace(msgspec.json.decode(raw, type=Wishes), **new)
    connection.execute(
        "UPDATE webhooks SET document = ?, secret = coalesce(?, secret) WHERE id = ?",
        (msgspec.json.encode(wishes).decode(), secret, number),
    )


def _find(connection: sqlite3.Connection, identity: Identity, number: int) -> Webhook:
    row = connection.execute(f"{_QUERY} WHERE id = ?", (number,)).fetchone()
    if row is None or not manages(identity, row[1]):
        raise errors.NotFound(f"no such webhook: {number}", "`registry webhook ls` shows them")
    return _webhook(row)


def _webhook(row: tuple[int, str, str, float, int, str | None]) -> Webhook:
    number, scope, raw, created, waiting, status = row
    wishes = msgspec.structs.asdict(msgspec.json.decode(raw, type=Wishes))
    return Webhook(id=number, scope=scope, created=created, waiting=waiting, status=status or "", **wishes)


def _note(
    registry: Registry, connection: sqlite3.Connection, identity: Identity, scope: str, detail: str
) -> None:
    events.note(registry, connection, identity, "webhook", repository=repository_of(scope), detail=detail)
