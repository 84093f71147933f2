"""Where a server goes by itself: connections that would lead inside are never made."""

from __future__ import annotations

import socket
from typing import Any

import msgspec
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


def test_name_with_several_addresses_is_reached_where_it_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those inside are left out, and one that does not answer is not the last word."""
    real = socket.getaddrinfo

    def several(host: str, *rest: Any, **named: Any) -> Any:
        if host != "several.test":
            return real(host, *rest, **named)
        return [real(each, *rest, **named)[0] for each in ("127.0.0.2", "127.0.0.3", "127.0.0.1")]

    monkeypatch.setattr(socket, "getaddrinfo", several)
    monkeypatch.setattr(addresses, "is_public", lambda address: address != "127.0.0.2")
    with receiver() as there, receiver("127.0.0.2") as inside:
        url = there.url.replace("127.0.0.1", "several.test")
        plain = msgspec.structs.replace(endpoint(url), may_be_plain=True)
        with Exchange(plain, ANONYMOUS) as exchange, exchange.request("GET", "/x", expect=(204,)):
            pass
        assert {got.headers["host"] for got in there.got} == {url[7:-5]}
        assert not inside.got
