"""Replication: what is copied to another registry, or from one, on push and by schedule."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from containerlab.distribution.api.operation import Noun, operation
from containerlab.distribution.api.partners import Host, PartnerPassword, PartnerUser, Prefix
from containerlab.distribution.api.values import Number, Page, TagPattern

__all__ = ["Copy", "Replication", "ReplicationChange", "ReplicationPolicy", "Replications"]

_RepositoryPattern = Annotated[str, Meta(min_length=1, max_length=200, examples=["lab/*"])]
_Time = Annotated[str, Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$(?!\n)", examples=["03:30"])]
_Interval = Annotated[float, Meta(ge=60, le=366 * 86400)]
_Direction = Literal["push", "pull"]


class ReplicationPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """What is copied, where to, and when."""

    registry: Host
    """The other registry."""
    direction: _Direction = "push"
    """push: from here to there; pull: from there to here."""
    repositories: _RepositoryPattern = "*"
    """Of where it comes from: a name, a glob, or a regular expression between slashes."""
    tags: TagPattern = "*"
    prefix: Prefix = ""
    """What comes before names where they are copied to: with `mirror`, lab/base becomes mirror/lab/base."""
    username: PartnerUser = ""
    password: PartnerPassword | None = None
    """Never shown."""
    tls_verify: bool = True
    """Without, any certificate is taken, and plain HTTP too."""
    on_push: bool = True
    """Whether what is pushed here is copied at once."""
    every_s: _Interval | None = None
    """Copy all again and again, so many seconds after the last time."""
    daily: _Time | None = None
    """Copy all every day at this time, UTC."""
    deletes: bool = False
    """Whether what is deleted where it comes from is deleted where it went, too."""
    is_enabled: bool = True


class ReplicationChange(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be different; what is left out stays as it is."""

    registry: Host | None = None
    direction: _Direction | None = None
    repositories: _RepositoryPattern | None = None
    tags: TagPattern | None = None
    prefix: Prefix | None = None
    username: PartnerUser | None = None
    password: PartnerPassword | None = None
    """Goes when the registry or the user name becomes another, unless a new one is given."""
    tls_verify: bool | None = None
    on_push: bool | None = None
    every_s: Annotated[float, Meta(ge=0, le=366 * 86400)] | None = None
    """0: no longer."""
    daily: Annotated[str, Meta(pattern=r"^(([01][0-9]|2[0-3]):[0-5][0-9])?$(?!\n)")] | None = None
    """Empty: no longer."""
    deletes: bool | None = None
    is_enabled: bool | None = None


class Replication(msgspec.Struct, frozen=True, kw_only=True):
    """A replication and how it is."""

    id: int
    policy: ReplicationPolicy
    """Without the password."""
    created: float
    ran: float | None
    """When all was copied last, or began to be."""
    next: float | None
    """When all is copied next."""
    waiting: int
    """Copies that are still to be made."""
    failed: int
    """Of those that can still be seen."""
    detail: str
    """How the last one went."""


class Copy(msgspec.Struct, frozen=True, kw_only=True):
    """One tag or manifest that is, was or would be copied or deleted."""

    id: int = 0
    action: Literal["copy", "delete"]
    repository: str
    """As it is called where it comes from."""
    reference: str
    """A tag, or a digest."""
    status: Literal["planned", "waiting", "running", "done", "failed"] = "planned"
    detail: str = ""
    """How it went, or what went wrong."""
    attempts: int = 0
    created: float = 0.0
    tried: float | None = None
    next: float | None = None
    """When it is tried again."""


class Replications(Noun):
    """Replications to and from other registries."""

    @operation("POST /replications", who="administrator", status=201)
    def create(self, policy: ReplicationPolicy) -> Replication:
        """Copy images to another registry, or from one, with all platforms and what speaks about them."""

    @operation("GET /replications", who="administrator")
    def list(self) -> Page[Replication]:
        """List replications."""

    @operation("GET /replications/{id}", who="administrator")
    def inspect(self, id: Number) -> Replication:
        """Return a replication."""

    @operation("PATCH /replications/{id}", who="administrator")
    def update(self, id: Number, change: ReplicationChange) -> Replication:
        """Change a replication."""

    @operation("DELETE /replications/{id}", who="administrator")
    def remove(self, id: Number) -> None:
        """Remove a replication; what was copied stays."""

    @operation("POST /replications/{id}/run", who="administrator")
    def run(self, id: Number, *, dry_run: bool = False) -> Page[Copy]:
        """Copy all that it is about now, or with `dry_run` only say what that would be.

        Returns what is copied or deleted.
        """

    @operation("GET /replications/{id}/copies", who="administrator")
    def copies(self, id: Number) -> Page[Copy]:
        """List what waits, and the last thousand copies, newest first."""
