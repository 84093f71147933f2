"""Pages about other registries, and those who are told: replications, upstreams, deliveries of webhooks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from containerlab import errors, units
from containerlab.distribution.api.replications import ReplicationPolicy
from containerlab.distribution.api.upstreams import UpstreamPolicy
from containerlab.distribution.server.page.settings import ON_SCOPES, Action, panels, perform

if TYPE_CHECKING:
    from typing import Literal

    from starlette.responses import Response

    from containerlab.distribution.server.page.visit import Visit

__all__ = ["change_connections", "change_webhook", "connections", "replication", "webhook"]


def connections(visit: Visit) -> Response:
    """Show what the registry as a whole is connected with."""
    visit.require_administrator()
    return visit.render(
        "connections.html",
        replications=visit.api.replications.list().items,
        upstreams=visit.api.upstreams.list().items,
        **panels(visit, ""),
    )


def change_connections(visit: Visit) -> Response:
    """Do what a form on that page asks for."""
    visit.require_administrator()
    return perform(visit, "", {**ON_SCOPES, **_ACTIONS}, lambda: connections(visit))


def _replicate(visit: Visit, scope: str) -> str:
    hours = visit.number("every_hours")
    policy = ReplicationPolicy(
        registry=visit.field("registry"),
        direction=cast("Literal['push', 'pull']", visit.field("direction")),
        repositories=visit.field("repositories") or "*",
        tags=visit.field("tags") or "*",
        prefix=visit.field("prefix"),
        username=visit.field("username"),
        password=visit.secret("password") or None,
        on_push=visit.has("on_push") and visit.field("direction") == "push",
        every_s=3600.0 * hours if hours else None,
        deletes=visit.has("deletes"),
    )
    visit.api.replications.create(policy)
    return f"What fits is copied {'to' if policy.direction == 'push' else 'from'} {policy.registry}."


def _run_replication(visit: Visit, scope: str) -> str:
    planned = visit.api.replications.run(visit.id()).items
    return f"{units.format_count(len(planned), 'copy')} to be made."


def _remove_replication(visit: Visit, scope: str) -> str:
    visit.api.replications.remove(visit.id())
    return "The replication is gone; what was copied stays."


def _add_upstream(visit: Visit, scope: str) -> str:
    policy = UpstreamPolicy(
        prefix=visit.field("prefix"),
        registry=visit.field("registry"),
        path=visit.field("path"),
        username=visit.field("username"),
        password=visit.secret("password") or None,
        fresh_s=60.0 * (visit.number("fresh") or 0),
        is_public=visit.has("is_public"),
    )
    visit.api.upstreams.create(policy)
    return f"What is missing here is looked for at {policy.registry}."


def _remove_upstream(visit: Visit, scope: str) -> str:
    visit.api.upstreams.remove(visit.id())
    return "The upstream is gone; what is kept of it stays."


_ACTIONS: Mapping[str, Action] = {
    "add upstream": _add_upstream,
    "remove upstream": _remove_upstream,
    "replicate": _replicate,
    "run replication": _run_replication,
    "remove replication": _remove_replication,
}


def replication(visit: Visit) -> Response:
    """Show what a replication copies."""
    visit.require_administrator()
    number = _number(visit)
    return visit.render(
        "replication.html",
        replication=visit.api.replications.inspect(number),
        copies=visit.api.replications.copies(number).items[:200],
    )


def webhook(visit: Visit) -> Response:
    """Show what a webhook was sent, and how it was taken."""
    number = _number(visit)
    return visit.render(
        "webhook.html",
        hook=visit.api.webhooks.inspect(number),
        deliveries=visit.api.webhooks.deliveries(number).items,
    )


def change_webhook(visit: Visit) -> Response:
    """Do what a form on that page asks for."""
    number = _number(visit)
    return perform(visit, "", _on_webhook(number), lambda: webhook(visit))


def _on_webhook(number: int) -> Mapping[str, Action]:
    def switch(visit: Visit, scope: str) -> str:
        is_enabled = visit.field("state") == "on"
        visit.api.webhooks.update(number, is_enabled=is_enabled)
        return "It is told again." if is_enabled else "It is told nothing until it is switched on."

    def repeat(visit: Visit, scope: str) -> str:
        visit.api.webhooks.redeliver(number, visit.id())
        return "It is sent once more."

    return {"switch": switch, "repeat": repeat}


def _number(visit: Visit) -> int:
    text = visit.path("id")
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise errors.NotFound("there is nothing with that number")
    return int(text)
