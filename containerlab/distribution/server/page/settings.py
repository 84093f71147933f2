"""Pages on which a repository, an organisation or the whole registry is set up.

What can be set up for each of them is the same, by scope (`lab/base`, `lab/` or nothing): immutable tags,
rights, webhooks. A form names what it wants in the field `do`, and is sent to the page that it stands on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from containerlab import errors, units
from containerlab.distribution.server.page import addresses, browsing

if TYPE_CHECKING:
    from starlette.responses import Response

    from containerlab.distribution.server.page.visit import Visit

__all__ = [
    "ON_SCOPES",
    "Action",
    "change_organization",
    "change_repository",
    "create_organization",
    "expiry",
    "organization",
    "organizations",
    "panels",
    "perform",
    "repository",
]

Action = Callable[["Visit", str], str]
"""Does what a form asks for in a scope, and returns the sentence that says so."""


def perform(
    visit: Visit, scope: str, actions: Mapping[str, Action], show: Callable[[], Response]
) -> Response:
    """Do what a form asks for, and show the page again; a secret stands on this answer alone."""
    action = actions.get(visit.field("do"))
    if action is None:
        raise errors.InvalidInput(f"this page cannot do {visit.field('do')[:40]!r}")
    said = action(visit, scope)
    if visit.secrets:
        visit.notify(said)
        return show()
    return visit.go(visit.request.url.path, said)


# what is the same for all scopes


def panels(visit: Visit, scope: str) -> dict[str, object]:
    """Return what the panels of a scope show."""
    return {
        "scope": scope,
        "rules": visit.api.immutability.list(scope).items,
        "rights": visit.api.rights.list(scope=scope).items if scope else (),
        "webhooks": [hook for hook in visit.api.webhooks.list(scope).items if hook.scope == scope],
    }


def _protect(visit: Visit, scope: str) -> str:
    tags, exceptions = visit.words("tags") or ("*",), visit.words("exceptions")
    visit.api.immutability.set(scope, tags=tags, exceptions=exceptions)
    return f"Tags that fit {', '.join(tags)} can be neither moved nor deleted now."


def _unprotect(visit: Visit, scope: str) -> str:
    visit.api.immutability.remove(visit.id())
    return "The rule is gone; its tags can be moved and deleted again."


def _grant(visit: Visit, scope: str) -> str:
    account = visit.field("account")
    right = visit.api.rights.grant(account, scope, visit.level(), until=expiry(visit, "until"))
    return f"{account} may {right.level} in {scope}."


def _revoke(visit: Visit, scope: str) -> str:
    visit.api.rights.revoke(visit.field("account"), scope)
    return f"{visit.field('account')} has no right to {scope} of their own any more."


def _add_webhook(visit: Visit, scope: str) -> str:
    made = visit.api.webhooks.create(visit.field("url"), scope)
    visit.secrets["Secret that the receiver checks signatures with"] = made.secret
    return f"{made.webhook.url} is told of pushes and deletions from now on."


def _remove_webhook(visit: Visit, scope: str) -> str:
    visit.api.webhooks.remove(visit.id())
    return "The webhook is gone."


def _test_webhook(visit: Visit, scope: str) -> str:
    sent = visit.api.webhooks.test(visit.id())
    if sent.status == "delivered":
        return f"It took the test, with status {sent.code}."
    raise errors.Unavailable(
        f"the test was not taken: {sent.answer or sent.code}", "look at the receiver's log, and test it again"
    )


ON_SCOPES: Mapping[str, Action] = {
    "protect": _protect,
    "unprotect": _unprotect,
    "grant": _grant,
    "revoke": _revoke,
    "add webhook": _add_webhook,
    "remove webhook": _remove_webhook,
    "test webhook": _test_webhook,
}


def expiry(visit: Visit, name: str) -> float | None:
    """Read a number of days from now; None when the field is empty."""
    days = visit.number(name)
    return None if days is None else visit.registry.now() + 86400.0 * days


# a repository


def repository(visit: Visit) -> Response:
    """Show how a repository is set up."""
    found = browsing.managed(visit)
    return visit.render(
        "repository_settings.html",
        here=" settings",
        shares=visit.api.shares.list(direction="given", repository=found.name).items,
        **panels(visit, found.name),
        **browsing.about(visit, found),
    )


def change_repository(visit: Visit) -> Response:
    """Do what a form on that page asks for."""
    found = browsing.managed(visit)
    return perform(visit, found.name, {**ON_SCOPES, **_ON_REPOSITORIES}, lambda: repository(visit))


def _describe(visit: Visit, name: str) -> str:
    visit.api.repositories.update(
        name, description=visit.field("description"), is_public=visit.field("visibility") == "public"
    )
    return "Saved."


def _share(visit: Visit, name: str) -> str:
    until = expiry(visit, "days")
    if until is None:
        raise errors.InvalidInput("a share needs an end", "write for how many days")
    account = visit.field("account")
    visit.api.shares.create(name, account, until=until, description=visit.field("description"))
    return f"{account} may pull from {name} for {units.format_count(visit.number('days') or 0, 'day')}."


def _end_share(visit: Visit, name: str) -> str:
    visit.api.shares.remove(name, visit.field("account"))
    return f"{name} is no longer shared with {visit.field('account')}."


_ON_REPOSITORIES: Mapping[str, Action] = {"describe": _describe, "share": _share, "end share": _end_share}


# organisations


def organizations(visit: Visit) -> Response:
    """List the organisations that the visitor sees."""
    page = visit.api.organizations.list(limit=200, after=visit.query("after"))
    return visit.render("organizations.html", page=page)


def create_organization(visit: Visit) -> Response:
    """Make an organisation."""
    made = visit.api.organizations.create(
        visit.field("name"),
        description=visit.field("description"),
        is_public=visit.field("visibility") == "public",
    )
    return visit.go(addresses.organization(made.name), f"The organisation {made.name} is there.")


def organization(visit: Visit) -> Response:
    """Show an organisation: its repositories, and to who manages it how it is set up."""
    name = visit.path("organization")
    found = visit.api.organizations.inspect(name)
    is_manager = found.level == "manage"
    return visit.render(
        "organization.html",
        organization=found,
        is_manager=is_manager,
        repositories=visit.api.repositories.list(organization=name, limit=200),
        robots=visit.api.robots.list(organization=name).items if is_manager else (),
        quota=visit.api.quotas.inspect(name) if found.level != "none" else None,
        **(panels(visit, f"{name}/") if is_manager else {}),
    )


def change_organization(visit: Visit) -> Response:
    """Do what a form on that page asks for."""
    scope = f"{visit.path('organization')}/"
    if visit.field("do") == "remove organization":
        visit.api.organizations.remove(scope[:-1])
        return visit.go("/ui/organizations", f"The organisation {scope[:-1]} is gone.")
    return perform(visit, scope, {**ON_SCOPES, **_ON_ORGANIZATIONS}, lambda: organization(visit))


def _describe_organization(visit: Visit, scope: str) -> str:
    visit.api.organizations.update(
        scope[:-1], description=visit.field("description"), is_public=visit.field("visibility") == "public"
    )
    return "Saved."


def _add_robot(visit: Visit, scope: str) -> str:
    made = visit.api.robots.create(
        scope[:-1],
        visit.field("robot"),
        level=visit.level(),
        repositories=visit.words("repositories"),
        valid_s=86400.0 * (visit.number("days") or 30),
    )
    _show_robot(visit, made.robot.name, made.secret)
    return f"The robot {made.robot.name} can log in."


def _renew_robot(visit: Visit, scope: str) -> str:
    made = visit.api.robots.renew(visit.field("robot"), valid_s=86400.0 * (visit.number("days") or 30))
    _show_robot(visit, made.robot.name, made.secret)
    return f"The robot {made.robot.name} has a new secret; the old one is worth nothing."


def _show_robot(visit: Visit, name: str, secret: str) -> None:
    visit.secrets["Secret"] = secret
    visit.secrets["To log in"] = f"echo {secret} | docker login {visit.host} -u {name} --password-stdin"


def _remove_robot(visit: Visit, scope: str) -> str:
    visit.api.robots.remove(visit.field("robot"))
    return f"The robot {visit.field('robot')} is gone."


def _limit(visit: Visit, scope: str) -> str:
    text = visit.field("limit")
    quota = visit.api.quotas.set(scope[:-1], units.size(text) if text else None)
    limit = quota.limit_bytes
    return "There is no limit now." if limit is None else f"The limit is {units.format_size(limit)}."


_ON_ORGANIZATIONS: Mapping[str, Action] = {
    "describe": _describe_organization,
    "add robot": _add_robot,
    "renew robot": _renew_robot,
    "remove robot": _remove_robot,
    "limit": _limit,
}
