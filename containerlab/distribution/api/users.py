"""The people of a registry."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from containerlab.distribution.api.operation import Noun, operation
from containerlab.distribution.api.values import After, Limit, Page, Text, exactly
from containerlab.oci.distribution import NAME_PART

__all__ = ["Password", "User", "UserName", "Users"]

UserName = Annotated[
    str,
    Meta(pattern=exactly(NAME_PART), min_length=1, max_length=64, examples=["alice"], description="A user."),
]
Password = Annotated[str, Meta(min_length=8, max_length=1024, description="8 characters or more.")]


class User(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who can log in."""

    name: str
    is_admin: bool
    """Whether they may do everything."""
    is_disabled: bool
    description: str
    created: float


class Users(Noun):
    """The people of a registry."""

    @operation("POST /users", who="administrator", status=201)
    def create(
        self, name: UserName, password: Password, *, is_admin: bool = False, description: Text = ""
    ) -> User:
        """Create a user."""

    @operation("GET /users", who="account")
    def list(self, *, limit: Limit = 100, after: After = "") -> Page[User]:
        """List users by name; who is no administrator sees only themselves."""

    @operation("GET /users/{name}", who="account")
    def inspect(self, name: UserName) -> User:
        """Return a user."""

    @operation("PATCH /users/{name}", who="administrator")
    def update(
        self,
        name: UserName,
        *,
        description: Text | None = None,
        is_admin: bool | None = None,
        is_disabled: bool | None = None,
    ) -> User:
        """Change a user; what is left out stays as it is.

        Whatever a user who is disabled was given (tokens, sessions, temporary logins) ends at once. The last
        administrator stays one.
        """

    @operation("DELETE /users/{name}", who="administrator")
    def remove(self, name: UserName) -> None:
        """Remove a user, their rights and what was shared with them; what they pushed stays."""

    @operation("POST /users/{name}/password", who="account")
    def change_password(self, name: UserName, password: Password, *, old: str = "") -> None:
        """Give a user another password; their tokens, sessions and temporary logins end.

        Your own needs the old one; an administrator sets others' without.
        """

    @operation("DELETE /users/{name}/logins", who="account")
    def end_logins(self, name: UserName) -> None:
        """End all tokens, sessions and temporary logins of a user; the password stays."""
