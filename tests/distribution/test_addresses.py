"""Where a server goes by itself: connections that would lead inside are never made."""

from __future__ import annotations

import pytest

from containerlab import errors
from containerlab.distribution import addresses
from containerlab.distribution.credentials import ANONYMOUS
from containerlab.distribution.endpoints import Endpoint
from containerlab.distribution.exchange import Exchange
from tests.distribution.server.receivers import receiver


def endpoint(url: str) -> Endpoint:
    return Endpoint(url=url.removesuffix("/hook"), registry="here", is_public_only=True)


def test_registry_inside_is_not_connected_to() -> None:
    with receiver() as inside, Exchange(endpoint(inside.url), ANONYMOUS) as exchange:
        with pytest.raises(errors.NotPermitted, match="inside the network"), exchange.request("POST", "/x"):
            pass
        assert not inside.got


def test_redirect_inside_is_not_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(addresses, "is_public", lambda address: address == "127.0.0.1")
    with receiver() as outside, receiver("127.0.0.2") as inside:
        outside.answers = [(307, {"Location": inside.url})]
        with (
            Exchange(endpoint(outside.url), ANONYMOUS) as exchange,
            pytest.raises(errors.NotPermitted, match="inside"),
            exchange.request("GET", "/x"),
        ):
            pass
        assert len(outside.got) == 1
        assert not inside.got


def test_name_with_addresses_inside_and_outside_leads_outside() -> None:
    found = addresses.addresses("127.0.0.1", 1, allows_private=True)
    assert found == ["127.0.0.1"]
    with pytest.raises(errors.NotPermitted):
        addresses.addresses("localhost", 1, allows_private=False)
