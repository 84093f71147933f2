"""A registry's nouns, at one address: `reg.events`, …"""

from __future__ import annotations

from containerlab.distribution.api.archives import Archives
from containerlab.distribution.api.client import Client
from containerlab.distribution.api.events import Events
from containerlab.distribution.api.examinations import Examinations
from containerlab.distribution.api.garbage import Garbage
from containerlab.distribution.api.immutability import Immutability
from containerlab.distribution.api.layers import Layers
from containerlab.distribution.api.logins import Logins
from containerlab.distribution.api.organizations import Organizations
from containerlab.distribution.api.quotas import Quotas
from containerlab.distribution.api.replications import Replications
from containerlab.distribution.api.repositories import Repositories
from containerlab.distribution.api.retention import Retention
from containerlab.distribution.api.rights import Rights
from containerlab.distribution.api.robots import Robots
from containerlab.distribution.api.shares import Shares
from containerlab.distribution.api.upstreams import Upstreams
from containerlab.distribution.api.users import Users
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

    @property
    def logins(self) -> Logins:
        """Return who you are, and what is good in the place of your password."""
        return Logins(self._client)

    @property
    def users(self) -> Users:
        """Return the people of the registry."""
        return Users(self._client)

    @property
    def organizations(self) -> Organizations:
        """Return what repositories belong to."""
        return Organizations(self._client)

    @property
    def repositories(self) -> Repositories:
        """Return repositories, and what is said of them."""
        return Repositories(self._client)

    @property
    def rights(self) -> Rights:
        """Return what accounts may do."""
        return Rights(self._client)

    @property
    def robots(self) -> Robots:
        """Return the accounts of programs."""
        return Robots(self._client)

    @property
    def shares(self) -> Shares:
        """Return repositories that somebody lets others pull from."""
        return Shares(self._client)

    @property
    def replications(self) -> Replications:
        """Return what is copied to other registries and from them."""
        return Replications(self._client)

    @property
    def retention(self) -> Retention:
        """Return the rules about what goes when."""
        return Retention(self._client)

    @property
    def garbage(self) -> Garbage:
        """Return the collection of what nobody needs."""
        return Garbage(self._client)

    @property
    def upstreams(self) -> Upstreams:
        """Return the registries of which this one is a pull-through cache."""
        return Upstreams(self._client)

    @property
    def examinations(self) -> Examinations:
        """Return what was found in images."""
        return Examinations(self._client)
