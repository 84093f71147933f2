"""A registry that is reached over HTTP: its nouns, with the login that is kept for it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from containerlab.distribution.api.client import SCOPE, Client
from containerlab.distribution.api.registry_api import RegistryApi
from containerlab.distribution.credentials import key_of
from containerlab.distribution.endpoints import Endpoint, endpoint
from containerlab.distribution.exchange import Answer, Exchange

if TYPE_CHECKING:
    from typing import Self

    from containerlab.distribution.credentials import Credentials

__all__ = ["DEFAULT", "RemoteRegistry", "default_host"]

DEFAULT = "localhost:5000"


def default_host() -> str:
    """Return which registry is meant when none is named."""
    return os.environ.get("CONTAINERLAB_REGISTRY") or DEFAULT


class _Introduced:
    """An exchange that says from the first request on who it is, also where nobody asks.

    What anybody may do, as listing, shows more to those who are known.
    """

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._is_known = False

    @contextmanager
    def request(self, method: str, path: str, **how: Any) -> Iterator[Answer]:
        if not self._is_known:
            with self._exchange.request("GET", "/v2/", scope=SCOPE, expect=(200, 401)) as answer:
                answer.read()
            self._is_known = True
        with self._exchange.request(method, path, **how) as answer:
            yield answer


class RemoteRegistry(RegistryApi):
    """What a registry of containerlab's can do beside pull and push; a context manager.

    with lab.registry.at("localhost:5000") as reg:
        reg.organizations.create("lab")
    """

    def __init__(self, where: Endpoint, credentials: Credentials | None = None) -> None:
        self._exchange = Exchange(where, credentials)
        super().__init__(Client(_Introduced(self._exchange)))

    @classmethod
    def at(cls, host: str, tls_verify: bool | None = None) -> RemoteRegistry:
        """Return the registry at a host; at the default one if none is named."""
        return RemoteRegistry(endpoint(key_of(host or default_host()), tls_verify=tls_verify))

    @property
    def host(self) -> str:
        """What names of images in it begin with."""
        return self._exchange.endpoint.registry

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._exchange.close()

    def __repr__(self) -> str:
        return f"<registry at {self.host}>"
