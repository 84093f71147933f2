"""Pages about accounts: one's own, and for administrators those of all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from containerlab.distribution.server.page.settings import Action, perform

if TYPE_CHECKING:
    from starlette.responses import Response

    from containerlab.distribution.server.page.visit import Visit

__all__ = ["change_myself", "change_users", "myself", "users"]


def myself(visit: Visit) -> Response:
    """Show who the visitor is, what they may do, and what is good in the place of their password."""
    visit.require_somebody()
    return visit.render(
        "me.html",
        me=visit.api.logins.whoami(),
        logins=visit.api.logins.list().items if visit.session else (),
        shares=visit.api.shares.list().items if visit.session else (),
    )


def change_myself(visit: Visit) -> Response:
    """Do what a form on that page asks for."""
    visit.require_somebody()
    return perform(visit, visit.identity.name, _ON_MYSELF, lambda: myself(visit))


def _log_in(visit: Visit, name: str) -> str:
    hours = min(24, max(1, visit.number("hours") or 6))
    made = visit.api.logins.create(valid_s=3600.0 * hours)
    for program in ("docker", "podman", "conlab"):
        words = f"{program} login {visit.host} -u {name} --password-stdin"
        visit.secrets[f"With {program}"] = f"echo {made.secret} | {words}"
    return f"A login for {hours} h. It is shown only now; whoever has it can do what you can."


def _end_login(visit: Visit, name: str) -> str:
    visit.api.logins.remove(visit.field("login"))
    return "That login has ended."


def _change_password(visit: Visit, name: str) -> str:
    visit.api.users.change_password(name, visit.secret("password"), old=visit.secret("old"))
    return "The password is changed. All your logins have ended; sign in with the new one."


def _end_logins(visit: Visit, name: str) -> str:
    visit.api.users.end_logins(name)
    return "All your logins have ended, this one too."


_ON_MYSELF: Mapping[str, Action] = {
    "log in": _log_in,
    "end login": _end_login,
    "change password": _change_password,
    "end logins": _end_logins,
}


def users(visit: Visit) -> Response:
    """List all users."""
    visit.require_administrator()
    return visit.render("users.html", page=visit.api.users.list(limit=200, after=visit.query("after")))


def change_users(visit: Visit) -> Response:
    """Do what a form on that page asks for."""
    visit.require_administrator()
    return perform(visit, visit.field("name"), _ON_USERS, lambda: users(visit))


def _create(visit: Visit, name: str) -> str:
    visit.api.users.create(
        name,
        visit.secret("password"),
        is_admin=visit.has("is_admin"),
        description=visit.field("description"),
    )
    return f"{name} can sign in. Give them a right in an organisation."


def _set_disabled(visit: Visit, name: str) -> str:
    is_disabled = visit.field("state") == "disabled"
    visit.api.users.update(name, is_disabled=is_disabled)
    return f"{name} is {'kept out' if is_disabled else 'let in again'}."


def _set_administrator(visit: Visit, name: str) -> str:
    is_admin = visit.field("state") == "administrator"
    visit.api.users.update(name, is_admin=is_admin)
    return f"{name} is {'an administrator' if is_admin else 'no administrator any more'}."


def _set_password(visit: Visit, name: str) -> str:
    visit.api.users.change_password(name, visit.secret("password"))
    return f"{name} has a new password; all their logins have ended."


def _remove(visit: Visit, name: str) -> str:
    visit.api.users.remove(name)
    return f"{name} is gone; what they pushed stays."


_ON_USERS: Mapping[str, Action] = {
    "create": _create,
    "set disabled": _set_disabled,
    "set administrator": _set_administrator,
    "set password": _set_password,
    "remove": _remove,
}
