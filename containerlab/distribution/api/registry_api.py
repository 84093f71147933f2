"""A registry's nouns, at one address: `reg.events`, …"""

from __future__ import annotations

from containerlab.distribution.api.archives import Archives
from containerlab.distribution.api.client import Client
from containerlab.distribution.api.events import Events
from containerlab.distribution.api.immutability import Immutability
from containerlab.distribution.api.layers import Layers
from containerlab.distribution.api.quotas import Quotas
from containerlab.distribution.api.webhooks import Webhooks

__all__ = ["RegistryApi"]


class RegistryApi:
    """What a registry of containerlab's can do beside pull and push: `lab.registry.at("localhost:5000")`."""

    def __init__(self, client: Client) -> None:
        self._client = client

    @property
    def events(self) -> Events:
        """Return the audit log."""
        return Events(self._client)

    @property
    def webhooks(self) -> Webhooks:
        """Return who is told of what happens."""
        return Webhooks(self._client)

    @property
    def immutability(self) -> Immutability:
        """Return the rules about tags that stay what they are."""
        return Immutability(self._client)

    @property
    def quotas(self) -> Quotas:
        """Return how much organisations keep, and may."""
        return Quotas(self._client)

    @property
    def archives(self) -> Archives:
        """Return the archives that are uploaded in pieces."""
        return Archives(self._client)

    @property
    def layers(self) -> Layers:
        """Return what is in layers."""
        return Layers(self._client)
