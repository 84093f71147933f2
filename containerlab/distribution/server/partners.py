"""Other registries, as this one speaks to them by itself: never as who happens to run the server."""

from __future__ import annotations

from typing import TypeVar
from urllib.parse import urlsplit

import msgspec

from containerlab import errors
from containerlab.distribution.addresses import addresses
from containerlab.distribution.api.replications import ReplicationChange, ReplicationPolicy
from containerlab.distribution.api.upstreams import UpstreamChange, UpstreamPolicy
from containerlab.distribution.credentials import Credentials
from containerlab.distribution.endpoints import endpoint
from containerlab.distribution.remote import Remote
from containerlab.distribution.server.registry import Registry
from containerlab.oci.reference import Reference

__all__ = ["Partner", "changed", "document"]

_PORT = 443
_Policy = TypeVar("_Policy", ReplicationPolicy, UpstreamPolicy)


class Partner(msgspec.Struct, frozen=True, kw_only=True):
    """Another registry and who this one is there."""

    registry: str
    """Host and port, or docker.io."""
    username: str = ""
    password: str = ""
    tls_verify: bool = True

    @staticmethod
    def of(policy: ReplicationPolicy | UpstreamPolicy, password: str | None) -> Partner:
        """Return the registry that a policy names."""
        return Partner(
            registry=policy.registry,
            username=policy.username,
            password=password or "",
            tls_verify=policy.tls_verify,
        )

    def check(self, registry: Registry) -> None:
        """Refuse one that nothing would ever be sent to.

        Raises: InvalidInput, NotPermitted.
        """
        try:
            parts = urlsplit(endpoint(self.registry).url)
            is_wrong = self._reference("x").registry != self.registry or parts.port == 0
        except ValueError:  # a port or an address that is none
            is_wrong = True
        if is_wrong:
            raise errors.InvalidInput(
                f"{self.registry[:100]!r} is no registry", "write host:port, a host with a dot, or localhost"
            )
        try:
            addresses(
                parts.hostname or "",
                parts.port or _PORT,
                allows_private=registry.settings.allows_private_targets,
            )
        except errors.Unavailable:
            return  # its name may be known later

    def remote(self, registry: Registry, repository: str) -> Remote:
        """Return a repository there, which the caller closes; mirrors and kept credentials do not count."""
        return Remote(
            self._reference(repository),
            for_push=True,
            tls_verify=None if self.tls_verify else False,
            credentials=Credentials(username=self.username, password=self.password),
            is_public_only=not registry.settings.allows_private_targets,
        )

    def _reference(self, repository: str) -> Reference:
        return Reference.parse(f"{self.registry}/{repository}:latest")


def document(policy: ReplicationPolicy | UpstreamPolicy) -> str:
    """Write a policy as it is kept and shown: the password stands elsewhere."""
    return msgspec.json.encode(msgspec.structs.replace(policy, password=None)).decode()


def changed(policy: _Policy, change: ReplicationChange | UpstreamChange) -> tuple[_Policy, str | None]:
    """Return a policy with what is to be different, and the new password; None: the old one stays.

    A password goes to nobody but whom it was given for.
    """
    given = {name: value for name, value in msgspec.structs.asdict(change).items() if value is not None}
    password = given.pop("password", None)
    for name in ("every_s", "daily"):
        if name in given:
            given[name] = given[name] or None
    new = msgspec.structs.replace(policy, **given)
    is_same = (policy.registry, policy.username) == (new.registry, new.username)
    return new, password if is_same else password or ""
