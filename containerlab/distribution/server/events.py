"""What happened in a registry: its audit log, and what webhooks and replications follow.

An event is written in the transaction of what it tells, so that there is none without the other.
"""

from __future__ import annotations

import sqlite3
from typing import Literal

import msgspec

from containerlab.distribution.server.registry import Registry
from containerlab.distribution.server.rights import Identity

__all__ = ["Event", "Kind", "note", "since"]

Kind = Literal[
    "push", "pull", "delete", "tag.delete", "blob.delete", "login", "login.refused", "denied",
    "organization", "repository", "account", "rights", "rule", "retention", "collection",
    "webhook", "replication", "upstream", "examination",
]  # fmt: skip


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that happened."""

    id: int = 0
    """Grows with time; 0 before it is written."""
    time: float
    kind: str
    account: str
    address: str = ""
    repository: str = ""
    tag: str = ""
    digest: str = ""
    detail: str = ""
    """A sentence."""


def note(registry: Registry, connection: sqlite3.Connection, who: Identity, kind: Kind, **about: str) -> None:
    """Write down an event; `about` has repository, tag, digest, detail."""
    given = (about.get(name, "") for name in ("repository", "tag", "digest", "detail"))
    connection.execute(
        "INSERT INTO events (time, kind, account, address, repository, tag, digest, detail)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (registry.now(), kind, who.name, who.address, *given),
    )


def since(registry: Registry, last: int, most: int = 1000) -> list[Event]:
    """Return what happened after the event with the number `last`, oldest first."""
    with registry.reader.reading() as connection:
        rows = connection.execute(
            "SELECT * FROM events WHERE id > ? ORDER BY id LIMIT ?", (last, most)
        ).fetchall()
    fields = Event.__struct_fields__
    return [Event(**dict(zip(fields, row, strict=True))) for row in rows]
