"""Rights: what accounts may do with organisations and repositories."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from containerlab.distribution.api.operation import Noun, operation
from containerlab.distribution.api.values import Moment, Page, exactly
from containerlab.oci.distribution import NAME_PART

__all__ = ["AccountName", "LevelName", "LevelOrNone", "Right", "Rights"]

LevelName = Annotated[
    Literal["read", "write", "manage"],
    Meta(description="read: pull. write: push and delete tags, too. manage: everything, also give rights."),
]
LevelOrNone = Literal["none", "read", "write", "manage"]
AccountName = Annotated[
    str,
    Meta(
        pattern=exactly(rf"{NAME_PART}(?:\+{NAME_PART})?"),
        min_length=1,
        max_length=320,
        examples=["alice", "lab+ci"],
        description="A user, or a robot with its organisation.",
    ),
]
_Scope = Annotated[
    str,
    Meta(
        pattern=exactly(f"{NAME_PART}(?:/{NAME_PART})*/?"),
        min_length=1,
        max_length=255,
        examples=["lab/", "lab/base"],
        description="An organisation with a slash at the end, or a repository.",
    ),
]


class Right(msgspec.Struct, frozen=True, kw_only=True):
    """What an account may do with an organisation or a repository."""

    account: str
    scope: str
    level: LevelName
    until: float | None
    """When it ends; None: never."""


class Rights(Noun):
    """Rights."""

    @operation("PUT /rights", who="manage")
    def grant(
        self, account: AccountName, scope: _Scope, level: LevelName, *, until: Moment | None = None
    ) -> Right:
        """Let an account do something; in the place of what it might on the same scope before.

        You cannot give what you do not have, nor for longer.
        """

    @operation("DELETE /rights", who="manage")
    def revoke(self, account: AccountName, scope: _Scope) -> None:
        """Take a right away, at once; anybody may give up their own."""

    @operation("GET /rights", who="account")
    def list(self, *, scope: _Scope | None = None, account: AccountName | None = None) -> Page[Right]:
        """List rights on what you manage, and your own."""
