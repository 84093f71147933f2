"""The queue of what webhooks have to send: one row for each event and webhook, kept until it is over.

Each webhook gets its events in their order: while the first one waits, so do those behind it. An event is
sent at least once: a server that is killed between an answer and the note of it sends it again, with the same
id. A receiver that is away is tried for a day, one that refuses an event a few times.
"""

from __future__ import annotations

import sqlite3
from typing import Any, Literal

import msgspec

from containerlab import errors
from containerlab.distribution import backoff
from containerlab.distribution.api.events import Event
from containerlab.distribution.api.webhooks import Delivery, Format
from containerlab.distribution.server import events
from containerlab.distribution.server.registry import Registry
from containerlab.distribution.server.scopes import covers
from containerlab.distribution.server.serving import listening
from containerlab.distribution.server.webhooks import notifications
from containerlab.distribution.server.webhooks.posting import Outcome, Post, Poster

__all__ = ["Wishes", "attempt", "due", "enqueue", "find", "listed", "put", "repeat", "try_once"]

_Status = Literal["waiting", "delivered", "failed"]
_FIRST_PAUSE_S, _MOST_PAUSE_S = 1.0, 300.0
_REFUSALS = 5
_GONE = 410
_KEPT = 100
"""Deliveries of a webhook that are over and can still be seen."""
_MOST_WAITING = 10_000
_AT_ONCE = 500
_SHOWN = 1000
_HINT = "the last hundred are kept"
_COLUMNS = "id, webhook, event, kind, status, attempts, code, answer, created, tried, next"


class Wishes(msgspec.Struct, frozen=True, kw_only=True):
    """What a webhook is told, and where: its document."""

    url: str
    kinds: tuple[str, ...]
    format: Format
    tls_verify: bool = True
    is_enabled: bool = True


def enqueue(registry: Registry) -> None:
    """Give every webhook what has happened since it was looked at last."""
    if not events.has_news(registry, "webhooks"):
        return
    with registry.database.writing() as connection:
        hooks = connection.execute("SELECT id, scope, document, seen FROM webhooks").fetchall()
        for webhook, scope, raw, seen in hooks:
            # Written in one transaction with what was seen, so that nothing is sent twice or not at all.
            new = events.since(connection, seen, _AT_ONCE)
            wishes = msgspec.json.decode(raw, type=Wishes)
            for event in new:
                if wishes.is_enabled and event.kind in wishes.kinds and covers(scope, event.repository):
                    put(registry, connection, webhook, event, wishes.format)
            if new:
                connection.execute("UPDATE webhooks SET seen = ? WHERE id = ?", (new[-1].id, webhook))


def put(registry: Registry, connection: sqlite3.Connection, webhook: int, event: Event, form: str) -> int:
    """Queue an event, written as it will be sent, and return the delivery's number."""
    body = notifications.document(event, _subject(registry, connection, event), form)
    return _insert(registry, connection, webhook, (event.id, event.kind, body.decode()))


def repeat(registry: Registry, connection: sqlite3.Connection, webhook: int, delivery: int) -> int:
    """Queue once more what was sent or given up; return the new delivery's number.

    Raises: NotFound.
    """
    row = connection.execute(
        "SELECT event, kind, body FROM deliveries WHERE webhook = ? AND id = ?", (webhook, delivery)
    ).fetchone()
    if row is None:
        raise errors.NotFound(f"webhook {webhook} has no delivery {delivery}", _HINT)
    return _insert(registry, connection, webhook, row)


def due(registry: Registry) -> list[int]:
    """Return the webhooks whose first waiting delivery can be tried now."""
    with registry.reader.reading() as connection:
        rows = connection.execute(
            "SELECT webhook, min(id), next FROM deliveries WHERE next IS NOT NULL GROUP BY webhook"
        ).fetchall()
    return [webhook for webhook, _, next_ in rows if _is_due(registry, next_)]


def _is_due(registry: Registry, moment: float) -> bool:
    return not 0 < moment - registry.now() <= backoff.FURTHEST_S


def attempt(registry: Registry, poster: Poster, webhook: int) -> bool:
    """Try a webhook's first delivery, if it is due; return whether another can be tried at once."""
    with registry.reader.reading() as connection:
        row = connection.execute(
            "SELECT id, next FROM deliveries WHERE webhook = ? AND next IS NOT NULL ORDER BY id LIMIT 1",
            (webhook,),
        ).fetchone()
    if row is None or not _is_due(registry, row[1]):
        return False
    return try_once(registry, poster, row[0], is_last=False)


def try_once(registry: Registry, poster: Poster, delivery: int, *, is_last: bool) -> bool:
    """Send a delivery and write down how it went; return whether it is over, after the last try it is."""
    with registry.reader.reading() as connection:
        row = connection.execute(
            "SELECT event, kind, body, d.created, attempts, secret, document FROM deliveries d"
            " JOIN webhooks w ON w.id = d.webhook WHERE d.id = ?",
            (delivery,),
        ).fetchone()
    if row is None:  # the webhook was removed meanwhile
        return True
    event, kind, text, created, attempts, secret, raw = row
    wishes, body = msgspec.json.decode(raw, type=Wishes), text.encode()
    sent = notifications.headers(wishes.format, kind, event, delivery)
    sent |= notifications.signature(secret, int(registry.now()), body)
    outcome = poster.send(Post(wishes.url, sent, body, wishes.tls_verify))
    status = _judge(outcome, attempts + 1, registry.now() - created)
    if is_last and status == "waiting":
        status = "failed"
    _note(registry, delivery, attempts + 1, status, outcome)
    return status != "waiting"


def listed(registry: Registry, webhook: int) -> list[Delivery]:
    """Return what waits, up to a bound, and what is kept of the rest, newest first."""
    with registry.reader.reading() as connection:
        rows = connection.execute(
            f"SELECT {_COLUMNS} FROM deliveries WHERE webhook = ? ORDER BY id DESC LIMIT ?",
            (webhook, _SHOWN),
        ).fetchall()
    return [_delivery(row) for row in rows]


def find(registry: Registry, webhook: int, delivery: int) -> Delivery:
    """Return a delivery.

    Raises: NotFound.
    """
    with registry.reader.reading() as connection:
        row = connection.execute(
            f"SELECT {_COLUMNS} FROM deliveries WHERE webhook = ? AND id = ?", (webhook, delivery)
        ).fetchone()
    if row is None:
        raise errors.NotFound(f"webhook {webhook} has no delivery {delivery}", _HINT)
    return _delivery(row)


def _delivery(row: tuple[Any, ...]) -> Delivery:
    return Delivery(**dict(zip(_COLUMNS.split(", "), row, strict=True)))


def _judge(outcome: Outcome, attempts: int, age_s: float) -> _Status:
    if outcome.is_accepted:
        return "delivered"
    if (
        outcome.code == _GONE
        or backoff.is_given_up(attempts, age_s)
        or (outcome.is_refused and attempts >= _REFUSALS)
    ):
        return "failed"
    return "waiting"


def _note(registry: Registry, delivery: int, attempts: int, status: _Status, outcome: Outcome) -> None:
    now = registry.now()
    next_ = now + _pause_s(attempts, outcome) if status == "waiting" else None
    with registry.database.writing() as connection:
        connection.execute(
            "UPDATE deliveries SET attempts = ?, next = ?, status = ?, code = ?, answer = ?, tried = ?"
            " WHERE id = ?",
            (attempts, next_, status, outcome.code, outcome.text, now, delivery),
        )


def _pause_s(attempts: int, outcome: Outcome) -> float:
    return max(outcome.retry_after_s, backoff.delay_s(attempts, _FIRST_PAUSE_S, _MOST_PAUSE_S))


def _insert(
    registry: Registry, connection: sqlite3.Connection, webhook: int, content: tuple[int, str, str]
) -> int:
    now = registry.now()
    found = connection.execute(
        "INSERT INTO deliveries (webhook, event, kind, body, created, next) VALUES (?, ?, ?, ?, ?, ?)",
        (webhook, *content, now, now),
    ).lastrowid
    connection.execute(
        "UPDATE deliveries SET next = NULL, status = 'failed', answer = 'too many were waiting'"
        " WHERE webhook = ?1 AND next IS NOT NULL AND id <= (SELECT id FROM deliveries"
        " WHERE webhook = ?1 AND next IS NOT NULL ORDER BY id DESC LIMIT 1 OFFSET ?2)",
        (webhook, _MOST_WAITING),
    )
    connection.execute(
        "DELETE FROM deliveries WHERE webhook = ?1 AND next IS NULL AND id NOT IN (SELECT id FROM deliveries"
        " WHERE webhook = ?1 AND next IS NULL ORDER BY id DESC LIMIT ?2)",
        (webhook, _KEPT),
    )
    assert found is not None
    return found


def _subject(registry: Registry, connection: sqlite3.Connection, event: Event) -> notifications.Subject:
    row = connection.execute(
        "SELECT media_type, size FROM manifests m JOIN repositories r ON r.id = m.repository"
        " WHERE r.name = ? AND digest = ?",
        (event.repository, event.digest),
    ).fetchone()
    return notifications.Subject(listening.url(registry.settings), *(row or ()))
