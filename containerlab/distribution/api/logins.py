"""Who somebody is to a registry, and what is good in the place of their password."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from containerlab.distribution.api.operation import Noun, operation
from containerlab.distribution.api.rights import LevelOrNone
from containerlab.distribution.api.values import Page

__all__ = ["LOGIN_S", "Login", "Logins", "Myself", "TemporaryLogin"]

LOGIN_S = 6 * 3600.0
_Valid = Annotated[float, Meta(ge=60, le=86400, description="Seconds.")]
_Id = Annotated[str, Meta(pattern="^[0-9a-f]{12}$", max_length=12, examples=["0123456789ab"])]


class Myself(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks, as the registry sees them."""

    name: str
    """Empty for somebody who did not log in."""
    is_admin: bool
    rights: dict[str, LevelOrNone]
    """read, write or manage, by scope: an organisation (`lab/`) or a repository (`lab/base`)."""
    until: float | None
    """When what they logged in with ends."""


class TemporaryLogin(msgspec.Struct, frozen=True, kw_only=True):
    """A password that ends by itself, for a command that is handed on."""

    account: str
    secret: str
    """Nobody is shown it again."""
    expires: float


class Login(msgspec.Struct, frozen=True, kw_only=True):
    """A refresh token or a temporary login, without its secret."""

    id: str
    kind: Literal["refresh", "temporary"]
    client: str
    """What the program that asked for it calls itself."""
    created: float
    expires: float


class Logins(Noun):
    """Your logins at a registry."""

    @operation("GET /me", who="anybody")
    def whoami(self) -> Myself:
        """Return who you are, and what you may do."""

    @operation("POST /logins", who="account", status=201)
    def create(self, *, valid_s: _Valid = LOGIN_S) -> TemporaryLogin:
        """Make a password that is good for some hours beside your own, a day at most.

        It ends at once when you change your password.
        """

    @operation("GET /logins", who="account")
    def list(self) -> Page[Login]:
        """List what is good in the place of your password, newest first."""

    @operation("DELETE /logins/{id}", who="account")
    def remove(self, id: _Id) -> None:
        """End one of them; access tokens that were made with it last some minutes."""
