"""A registry's nouns, at one address: `reg.events`, …"""

from __future__ import annotations

from containerlab.distribution.api.client import Client
from containerlab.distribution.api.events import Events
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
