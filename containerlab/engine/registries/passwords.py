"""The way back in for who owns the storage of a registry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from containerlab.engine import asking
from containerlab.views import html

if TYPE_CHECKING:
    from containerlab.engine.engine import Engine

__all__ = ["NewPassword", "reset"]


class NewPassword(html.Shown, msgspec.Struct, frozen=True):
    """A password that somebody was given."""

    user: str
    password: str
    """Empty when who asked for it has chosen it."""

    def to_text(self) -> str:
        return f"{self.user}: {self.password}" if self.password else f"{self.user} has the new password"

    def __repr__(self) -> str:
        return f"<password of {self.user}>"


def reset(engine: Engine, user: str, given: Mapping[str, Any]) -> NewPassword:
    """Give a user of a registry a new password, on its storage.

    Raises: NotFound, InvalidInput.
    """
    from containerlab.distribution.server.accounts import users
    from containerlab.distribution.server.registry import Registry, Settings

    chosen = asking.read_line() if given.get("password_stdin") else ""
    registry = Registry(Settings(storage=given.get("storage", engine.home)))
    try:
        password = users.reset_password(registry, user, chosen)
    finally:
        registry.close()
    return NewPassword(user, "" if chosen else password)
