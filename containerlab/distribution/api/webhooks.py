"""Webhooks: who is told of what happens in a registry, an organisation or a repository."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from containerlab.distribution.api.events import Kind
from containerlab.distribution.api.operation import Noun, operation
from containerlab.distribution.api.values import Number, Page, Scope

__all__ = ["CHANGES", "CreatedWebhook", "Delivery", "Format", "Webhook", "Webhooks"]

Format = Literal["cloudevents", "docker"]
_Url = Annotated[str, Meta(max_length=2048, examples=["https://ci.example/hook"])]
_Secret = Annotated[str, Meta(max_length=256)]
_Kinds = Annotated[tuple[Kind, ...], Meta(min_length=1, max_length=32)]
CHANGES: tuple[Kind, ...] = ("push", "delete", "tag.delete")
"""What webhooks are told unless somebody says otherwise."""


class Webhook(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook, without its secret."""

    id: int
    scope: str
    """What it is about: an organisation (`lab/`), a repository (`lab/base`), or empty for all."""
    url: str
    kinds: tuple[str, ...]
    """Of the events that it is told."""
    format: Format
    """cloudevents; docker for receivers that know only what Docker's registry sends."""
    tls_verify: bool
    is_enabled: bool
    created: float
    waiting: int
    """Deliveries that are still to be made."""
    status: str
    """Of the last delivery: waiting, delivered, failed, or empty."""


class CreatedWebhook(msgspec.Struct, frozen=True, kw_only=True):
    """A new webhook with its secret, which nobody is shown again."""

    webhook: Webhook
    secret: str
    """What the receiver checks signatures with."""


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One event on its way to one webhook."""

    id: int
    webhook: int
    event: int
    """The id of the event in the audit log; 0 of a test."""
    kind: str
    status: Literal["waiting", "delivered", "failed"]
    attempts: int
    code: int
    """Status of the last answer; 0 when there was none."""
    answer: str
    """Its start, or why there was none."""
    created: float
    tried: float | None
    """When it was tried last."""
    next: float | None
    """When it is tried again."""


class Webhooks(Noun):
    """Webhooks."""

    @operation("POST /webhooks", who="manage", status=201)
    def create(
        self,
        url: _Url,
        scope: Scope = "",
        *,
        kinds: _Kinds = CHANGES,
        secret: _Secret = "",
        format: Format = "cloudevents",
        tls_verify: bool = True,
    ) -> CreatedWebhook:
        """Let a URL be told what happens from now on.

        Without a secret of 16 characters or more one is made. Each event is posted as JSON with a signature,
        in their order, at least once, and again for a day when the receiver is away. For the whole registry,
        only administrators may.
        """

    @operation("GET /webhooks", who="manage")
    def list(self, scope: Scope = "") -> Page[Webhook]:
        """List the webhooks of a scope, by default all that you manage."""

    @operation("GET /webhooks/{id}", who="manage")
    def inspect(self, id: Number) -> Webhook:
        """Return a webhook."""

    @operation("PATCH /webhooks/{id}", who="manage")
    def update(
        self,
        id: Number,
        *,
        url: _Url | None = None,
        kinds: _Kinds | None = None,
        secret: _Secret | None = None,
        tls_verify: bool | None = None,
        is_enabled: bool | None = None,
    ) -> Webhook:
        """Change a webhook; what is left out stays as it is."""

    @operation("DELETE /webhooks/{id}", who="manage")
    def remove(self, id: Number) -> None:
        """Remove a webhook with what it had still to deliver."""

    @operation("POST /webhooks/{id}/test", who="manage")
    def test(self, id: Number) -> Delivery:
        """Send it an event of the kind `ping` at once, before all that waits, and return how it went."""

    @operation("GET /webhooks/{id}/deliveries", who="manage")
    def deliveries(self, id: Number) -> Page[Delivery]:
        """List what waits and the last hundred deliveries, newest first."""

    @operation("POST /webhooks/{id}/deliveries/{delivery}/repeat", who="manage", status=201)
    def redeliver(self, id: Number, delivery: Number) -> Delivery:
        """Send a delivery once more, with the same event id."""
