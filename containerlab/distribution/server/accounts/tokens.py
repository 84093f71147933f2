"""Tokens: what a client gets for its password, and shows with each request.

An access token is a signed JWT that lives for minutes. It names the account, the revision that the account
had, and what it is for; what the account may do is looked up anew with every request, and the token only
takes away from it.

Only this registry signs and only it checks, so the key is a symmetric one (HS256) that never leaves it. The
algorithm and the key are chosen here: nothing in a token's header is believed (CVE-2025-24976).

Source: Docker's token authentication specification and its OAuth2 part; RFC 7519, RFC 8725.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from typing import Literal
from urllib.parse import urlsplit

import msgspec

from containerlab import errors
from containerlab.distribution.server.accounts import identities, proofs
from containerlab.distribution.server.accounts.logins import Refused
from containerlab.distribution.server.registry import Registry
from containerlab.distribution.server.rights import ANONYMOUS, Identity, Level
from containerlab.distribution.server.upstreams import upstreams
from containerlab.oci.distribution import is_name
from containerlab.oci.image import format_time

__all__ = ["ALL", "CATALOG", "Access", "Answer", "issue", "service", "verify"]

CATALOG, ALL = "registry:catalog:*", "registry:api:*"
"""Scopes that are no repository: to list them; to do all that the account may, for the REST API."""
_ALGORITHM, _ISSUER, _KEY = "HS256", "containerlab", "tokens"
_TTL_S = 300.0
_MOST_TOKEN, _MOST_SCOPES, _MOST_SCOPE = 16_384, 100, 512
_LEVELS = {"pull": Level.READ, "push": Level.WRITE, "delete": Level.WRITE}
"""What an action needs; what is deleted decides whether more is needed."""
_GRANTED = {"pull": Level.READ, "push": Level.WRITE, "delete": Level.MANAGE}
"""What a token with an action allows, as far as its account may."""

Action = Literal["pull", "push", "delete", "*"]


class Access(msgspec.Struct, frozen=True):
    """One thing that a token is for."""

    type: str
    name: str
    actions: tuple[Action, ...]


class _Claims(msgspec.Struct, frozen=True):
    iss: str
    aud: str
    sub: str
    iat: int
    nbf: int
    exp: int
    jti: str
    rev: int
    """The account's revision."""
    until: float | None
    """When what the token was given for ends."""
    access: tuple[Access, ...]


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the token endpoint answers."""

    token: str
    access_token: str
    expires_in: int
    issued_at: str
    scope: str = ""
    refresh_token: str = ""


def service(registry: Registry) -> str:
    """Return what the registry calls itself to those who ask for tokens."""
    return urlsplit(registry.settings.public_url).netloc or "containerlab"


# access tokens


def issue(
    registry: Registry,
    identity: Identity,
    scopes: Iterable[str],
    *,
    client: str = "",
    is_offline: bool = False,
) -> Answer:
    """Make an access token for as much of `scopes` as somebody may have; and a refresh token if `is_offline`.

    Who may do less than they ask for gets a token for less, as the specification says: it is the request
    that is refused then.

    Raises: InvalidInput for too many scopes.
    """
    access = _granted(registry, identity, scopes)
    now = registry.now()
    expires = now + _TTL_S if identity.until is None else min(now + _TTL_S, identity.until)
    token = _sign(registry, identity, access, (now, expires))
    return Answer(
        token=token,
        access_token=token,
        expires_in=max(1, int(expires - now)),
        issued_at=format_time(int(now)),
        scope=" ".join(f"{each.type}:{each.name}:{','.join(each.actions)}" for each in access),
        refresh_token=proofs.refresh_token(registry, identity, client) if is_offline else "",
    )


def _sign(
    registry: Registry, identity: Identity, access: Sequence[Access], times: tuple[float, float]
) -> str:
    jwt = errors.wanted("jwt", "a registry with tokens")
    claims = _Claims(
        iss=_ISSUER,
        aud=service(registry),
        sub=identity.name,
        iat=int(times[0]),
        nbf=int(times[0]),
        exp=int(times[1]),
        jti=secrets.token_urlsafe(12),
        rev=identity.revision,
        until=identity.until,
        access=tuple(access),
    )
    token: str = jwt.encode(msgspec.to_builtins(claims), registry.keys.get(_KEY), _ALGORITHM)
    return token


def verify(registry: Registry, token: str, address: str) -> Identity:
    """Return whom a token speaks for, limited to what it is for and to what they may now.

    Raises: Refused.
    """
    claims = _claims(registry, token)
    if claims.sub:
        row = identities.find(registry, claims.sub)
        if row.revision != claims.rev or not identities.is_usable(registry, row):
            raise _refused()
        identity = identities.identity(registry, row, address, claims.until)
    else:
        identity = msgspec.structs.replace(ANONYMOUS, address=address)
    return _limited(identity, claims.access)


def _claims(registry: Registry, token: str) -> _Claims:
    import jwt

    if len(token) > _MOST_TOKEN:
        raise _refused()
    try:
        found = jwt.decode(
            token,
            registry.keys.get(_KEY),
            algorithms=[_ALGORITHM],
            audience=service(registry),
            issuer=_ISSUER,
            options={"verify_exp": False, "verify_nbf": False, "verify_iat": False},  # by `now`, below
        )
        claims = msgspec.convert(found, _Claims)
    except (jwt.PyJWTError, msgspec.ValidationError, ValueError, RecursionError) as error:
        raise _refused() from error
    if not claims.nbf <= registry.now() < claims.exp <= claims.nbf + _TTL_S:
        raise _refused()
    return claims


def _limited(identity: Identity, access: Sequence[Access]) -> Identity:
    if any(each.type == "registry" and each.name == "api" for each in access):
        return identity
    limits = {
        each.name: max(_GRANTED[action] for action in each.actions if action != "*")
        for each in access
        if each.type == "repository" and each.actions
    }
    may_list = any(each.type == "registry" and each.name == "catalog" for each in access)
    return identity.limited(limits, may_list=may_list)


def _refused() -> Refused:
    return Refused("the token is not valid, or no longer", "log in again")


# scopes


def _granted(registry: Registry, identity: Identity, scopes: Iterable[str]) -> list[Access]:
    asked = [scope for given in scopes for scope in given.split(" ") if scope]
    if len(asked) > _MOST_SCOPES or any(len(scope) > _MOST_SCOPE for scope in asked):
        raise errors.InvalidInput(
            f"a token is for at most {_MOST_SCOPES} scopes", "ask for one token after the other"
        )
    wanted: dict[str, set[str]] = {}
    for scope in asked:
        kind, _, rest = scope.partition(":")
        name, _, actions = rest.rpartition(":")
        if kind.partition("(")[0] == "repository" and is_name(name):
            wanted.setdefault(name, set()).update(actions.split(","))
    found = [_cut(registry, identity, name, actions) for name, actions in wanted.items()]
    return [each for each in found if each.actions] + _beside(identity, asked)


def _cut(registry: Registry, identity: Identity, name: str, wanted: set[str]) -> Access:
    level = identity.level(name, is_public=upstreams.is_public(registry, name))
    actions: tuple[Action, ...] = ("pull", "push", "delete")
    may = [action for action in actions if level >= _LEVELS[action] and wanted & {action, "*"}]
    return Access("repository", name, tuple(may))


def _beside(identity: Identity, asked: list[str]) -> list[Access]:
    """Whoever has a name may list what they can read, and use the API as far as they may."""
    named = bool(identity.name) and identity.limits is None
    catalog = [Access("registry", "catalog", ("*",))] if named and CATALOG in asked else []
    return catalog + ([Access("registry", "api", ("*",))] if named and ALL in asked else [])
