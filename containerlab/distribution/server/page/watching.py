"""Pages that show what happened, and what takes the space."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, get_args

from containerlab import errors
from containerlab.distribution.api.events import Kind
from containerlab.distribution.server.page import addresses

if TYPE_CHECKING:
    from starlette.responses import Response

    from containerlab.distribution.api.garbage import Collection
    from containerlab.distribution.server.page.visit import Visit

__all__ = ["audit", "collect", "storage"]


def audit(visit: Visit) -> Response:
    """List events, newest first, with filters."""
    visit.require_somebody()
    wanted = {name: visit.query(name) for name in ("organization", "repository", "account", "kind")}
    days = {name: visit.query(name) for name in ("since", "until")}
    given = {name: value for name, value in wanted.items() if value}
    given |= {name: str(_moment(name, day)) for name, day in days.items() if day}
    page = visit.api.events.list(**given, limit=100, after=visit.query("after"))  # type: ignore[arg-type]  # text from the address, which the operation converts and checks
    return visit.render(
        "audit.html",
        events=page.items,
        next=addresses.with_query("/ui/audit", **wanted, **days, after=page.next) if page.next else "",
        is_first=not visit.query("after"),
        wanted={**wanted, **days},
        kinds=sorted(get_args(Kind)),
    )


def _moment(name: str, day: str) -> float:
    """Read a day: its beginning, or as the last one its end."""
    try:
        start = time.mktime(time.strptime(f"{day} UTC", "%Y-%m-%d %Z")) - time.timezone
    except (ValueError, OverflowError) as error:
        raise errors.InvalidInput(f"{day[:20]!r} is no day", "write it as 2026-11-26") from error
    return start + (86399.999 if name == "until" else 0)


def storage(visit: Visit, collection: Collection | None = None) -> Response:
    """Show what organisations and repositories keep, and what their end would free."""
    visit.require_somebody()
    chosen = visit.query("organization")
    quotas = visit.api.quotas.list().items
    repositories = visit.api.quotas.repositories(chosen, limit=1000).items if chosen else ()
    return visit.render(
        "storage.html",
        quotas=quotas,
        chosen=chosen,
        repositories=sorted(repositories, key=lambda each: -each.unique_bytes),
        collection=collection,
    )


def collect(visit: Visit) -> Response:
    """Free the space of what nobody needs, or say how much that would be."""
    visit.require_administrator()
    found = visit.api.garbage.collect(
        untagged=visit.has("untagged"),
        grace_s=0.0 if visit.has("now") else None,
        dry_run=visit.field("do") != "collect",
    )
    return storage(visit, found)
