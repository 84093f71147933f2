"""Who sends a request, from its Authorization header; and what to ask of those who did not say."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence

import msgspec

from containerlab import errors
from containerlab.distribution.server.accounts import logins, proofs, tokens
from containerlab.distribution.server.accounts.logins import Refused, TooMany
from containerlab.distribution.server.registry import Registry
from containerlab.distribution.server.rights import ANONYMOUS, Identity

__all__ = ["Refused", "TokenRequest", "TooMany", "challenge", "give_token", "identify", "is_quick"]

_MOST_HEADER, _MOST_BASIC = 20_000, 4_096
_UNSAFE = re.compile(r"[^ !#-\[\]-~]")
"""What could end a quoted string of a header, or the header."""


def identify(registry: Registry, authorization: str, address: str) -> Identity:
    """Return who sends a request; `authorization` is its header, empty when it has none.

    It may take as long as argon2 does, and wait for the disk: in an event loop ask `is_quick` first.

    Raises: Refused, TooMany.
    """
    if registry.settings.auth == "none":
        return Identity(name="", is_admin=True, address=address)
    if not authorization:
        return msgspec.structs.replace(ANONYMOUS, address=address)
    scheme, value = _parts(authorization)
    if scheme == "basic":
        return logins.log_in(registry, *_basic(value), address)
    if scheme == "bearer":
        return tokens.verify(registry, value, address)
    raise Refused("this way to log in is unknown", "use a name and a password")


def is_quick(registry: Registry, authorization: str, address: str) -> bool:
    """Tell whether `identify` only looks something up."""
    if registry.settings.auth == "none" or not authorization:
        return True
    try:
        scheme, value = _parts(authorization)
        return scheme != "basic" or logins.is_known(registry, *_basic(value), address)
    except Refused:
        return True


def _parts(authorization: str) -> tuple[str, str]:
    if len(authorization) > _MOST_HEADER:
        raise Refused("the Authorization header is too long", "log in again")
    scheme, _, value = authorization.partition(" ")
    return scheme.lower(), value.strip(" ")


def _basic(value: str) -> tuple[str, str]:
    try:
        if len(value) > _MOST_BASIC:
            raise ValueError
        name, colon, secret = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, ValueError) as error:  # UnicodeDecodeError is one
        raise Refused("the name and password cannot be read", "log in again") from error
    if not colon:
        raise Refused("there is a name without a password", "log in again")
    return name, secret


def challenge(registry: Registry, base_url: str, scope: str = "") -> str:
    """Return the WWW-Authenticate header that asks for a login; empty when there are no accounts.

    base_url: how the client reached the registry, without a slash at the end.
    """
    if registry.settings.auth == "none":
        return ""
    if registry.settings.auth == "basic":
        return 'Basic realm="containerlab", charset="UTF-8"'
    parameters = {"realm": f"{base_url}/token", "service": tokens.service(registry), "scope": scope}
    said = (f'{name}="{_UNSAFE.sub("", value)}"' for name, value in parameters.items() if value)
    return "Bearer " + ",".join(said)


# the token endpoint


class TokenRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What a client asks the token endpoint for, by GET or POST."""

    service: str = ""
    scopes: Sequence[str] = ()
    client_id: str = ""
    is_offline: bool = False
    """Whether it wants a refresh token: offline_token=true, or access_type=offline."""
    grant_type: str = ""
    """Of a POST: password or refresh_token; a GET has it empty, and the Authorization header instead."""
    username: str = ""
    password: str = ""
    refresh_token: str = ""


def give_token(registry: Registry, asked: TokenRequest, authorization: str, address: str) -> tokens.Answer:
    """Answer the token endpoint; slow as `identify` is.

    Raises: Refused, TooMany; InvalidInput for what is not in the protocol.
    """
    if registry.settings.auth != "bearer":
        raise errors.NotFound("this registry gives no tokens", "send a name and a password")
    if asked.service not in ("", tokens.service(registry)):
        raise errors.InvalidInput("this is another service's token", "ask as the challenge says")
    identity = _grantee(registry, asked, authorization, address)
    answer = tokens.issue(
        registry, identity, asked.scopes, client=asked.client_id, is_offline=asked.is_offline
    )
    if asked.grant_type == "refresh_token":  # it stays good; clients keep what they get
        return msgspec.structs.replace(answer, refresh_token=asked.refresh_token)
    return answer


def _grantee(registry: Registry, asked: TokenRequest, authorization: str, address: str) -> Identity:
    if not asked.grant_type:
        if authorization.lower().startswith("bearer "):
            raise Refused("a token gives no other token", "send a name and a password")
        return identify(registry, authorization, address)
    if asked.grant_type == "password":
        return logins.log_in(registry, asked.username, asked.password, address)
    if asked.grant_type == "refresh_token":
        identity = proofs.redeem(registry, asked.refresh_token, address)
        if identity is None:
            raise Refused("the refresh token is not valid, or no longer", "log in again")
        return identity
    raise errors.InvalidInput("this grant_type is not in the protocol", "use password or refresh_token")
