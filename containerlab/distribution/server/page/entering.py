"""Signing in and out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from containerlab.distribution.server.accounts import logins
from containerlab.distribution.server.page import addresses, rendering, sessions

if TYPE_CHECKING:
    from starlette.responses import Response

    from containerlab.distribution.server.page.visit import Visit

__all__ = ["login", "login_form", "logout"]


def login_form(visit: Visit) -> Response:
    """Show the form to sign in with."""
    if visit.session or visit.is_open:
        return visit.go(visit.query("next"))
    return visit.render("login.html", next=visit.query("next"), name="")


def login(visit: Visit) -> Response:
    """Sign in, with a new key: one that somebody may have planted before is worth nothing."""
    name, password = visit.field("name"), visit.secret("password")
    try:
        identity = logins.log_in(visit.registry, name, password, visit.identity.address)
    except logins.Refused as error:
        visit.notify(rendering.sentence(error.message), is_good=False)
        return visit.render("login.html", 401, next=visit.field("next"), name=name[:255])
    if identity.is_robot:
        visit.notify("Robots use the registry through its protocol; sign in as a user.", is_good=False)
        return visit.render("login.html", 403, next=visit.field("next"), name="")
    if visit.session:
        sessions.end(visit.registry, visit.key)
    return visit.sign_in(sessions.start(visit.registry, identity), visit.field("next") or addresses.HOME)


def logout(visit: Visit) -> Response:
    """End the session."""
    sessions.end(visit.registry, visit.key)
    return visit.sign_out()
