"""Upstreams: registries of which this one is a pull-through cache."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from containerlab.distribution.api.operation import Noun, operation
from containerlab.distribution.api.partners import Host, PartnerPassword, PartnerUser, Prefix
from containerlab.distribution.api.values import Number, Page

__all__ = ["Upstream", "UpstreamChange", "UpstreamPolicy", "Upstreams"]

_Seconds = Annotated[float, Meta(ge=0, le=366 * 86400)]


class UpstreamPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """Which repositories are looked for where."""

    prefix: Prefix
    """Of repositories here: with `hub`, hub/library/debian. Empty: all that no other prefix has."""
    registry: Host
    """Where they are looked for: docker.io, or host:port."""
    path: Prefix = ""
    """What comes before their names there in the place of the prefix."""
    username: PartnerUser = ""
    password: PartnerPassword | None = None
    """Never shown."""
    tls_verify: bool = True
    """Without, any certificate is taken, and plain HTTP too."""
    fresh_s: _Seconds = 300.0
    """How long a tag is served before it is compared with the upstream's again; a digest for ever."""
    answers_ns: bool = False
    """Whether requests with ?ns=REGISTRY are answered from here: mirrors of containerd send that."""
    is_public: bool = False
    """Whether a new organisation for them lets everybody read."""


class UpstreamChange(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be different; what is left out stays as it is."""

    prefix: Prefix | None = None
    registry: Host | None = None
    path: Prefix | None = None
    username: PartnerUser | None = None
    password: PartnerPassword | None = None
    """Goes when the registry or the user name becomes another, unless a new one is given."""
    tls_verify: bool | None = None
    fresh_s: _Seconds | None = None
    answers_ns: bool | None = None


class Upstream(msgspec.Struct, frozen=True, kw_only=True):
    """An upstream."""

    id: int
    policy: UpstreamPolicy
    """Without the password."""
    created: float


class Upstreams(Noun):
    """Upstreams of which this registry is a pull-through cache."""

    @operation("POST /upstreams", who="administrator", status=201)
    def create(self, policy: UpstreamPolicy) -> Upstream:
        """Look for what is missing here in another registry, keep and serve it.

        What is kept counts for quotas and goes by retention like anything else. While the upstream cannot be
        reached, what was kept is served with a warning.
        """

    @operation("GET /upstreams", who="administrator")
    def list(self) -> Page[Upstream]:
        """List upstreams."""

    @operation("GET /upstreams/{id}", who="administrator")
    def inspect(self, id: Number) -> Upstream:
        """Return an upstream."""

    @operation("PATCH /upstreams/{id}", who="administrator")
    def update(self, id: Number, change: UpstreamChange) -> Upstream:
        """Change an upstream."""

    @operation("DELETE /upstreams/{id}", who="administrator")
    def remove(self, id: Number) -> None:
        """Remove an upstream; what is kept of it stays."""
