"""`/token`: where clients get the tokens that they show at `/v2/`.

Source: Docker's token authentication specification, and its OAuth2 part.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import parse_qsl

import msgspec

from containerlab.distribution.server.accounts import authentication
from containerlab.distribution.server.accounts.authentication import TokenRequest
from containerlab.distribution.server.protocol.request import Answer, Request, in_thread

__all__ = ["give"]

_MOST_FORM = 64 << 10


async def give(request: Request, _: str, __: str) -> Answer:
    """GET /token?service=&scope=, or POST a form: the token endpoint of `Bearer` challenges."""
    asked = _from_query(request) if request.method == "GET" else await _from_form(request)
    answer = await in_thread(
        *(authentication.give_token, request.registry, asked),
        *(request.header("authorization"), request.address),
    )
    headers = {"content-type": "application/json", "cache-control": "no-store"}
    return Answer(200, headers, msgspec.json.encode(answer))


def _from_query(request: Request) -> TokenRequest:
    return TokenRequest(
        service=request.query("service"),
        scopes=_separate(request.queries("scope")),
        client_id=request.query("client_id"),
        is_offline=request.query("offline_token") in ("true", "1"),
    )


async def _from_form(request: Request) -> TokenRequest:
    fields = dict(parse_qsl((await request.body(_MOST_FORM)).decode("utf-8", "replace")))
    return TokenRequest(
        service=fields.get("service", ""),
        scopes=_separate([fields.get("scope", "")]),
        client_id=fields.get("client_id", ""),
        is_offline=fields.get("access_type") == "offline",
        grant_type=fields.get("grant_type", "none"),  # a form has to say
        username=fields.get("username", ""),
        password=fields.get("password", ""),
        refresh_token=fields.get("refresh_token", ""),
    )


def _separate(scopes: Sequence[str]) -> list[str]:
    """Return scopes one by one: they come repeated, or with spaces between."""
    return [scope for each in scopes for scope in each.split()]
