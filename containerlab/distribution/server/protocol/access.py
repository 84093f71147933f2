"""Who sends a request, and how somebody is told to say who they are."""

from __future__ import annotations

from containerlab import errors
from containerlab.distribution.server import problems
from containerlab.distribution.server.accounts import authentication
from containerlab.distribution.server.protocol import caching
from containerlab.distribution.server.protocol.request import Request, in_thread
from containerlab.distribution.server.rights import Identity
from containerlab.hashes import sha256

__all__ = ["challenge", "identify", "is_nobody", "translated"]

_TRUSTED_S = 4.0


async def identify(request: Request) -> Identity:
    """Return who asks.

    Raises: NotPermitted for a wrong password or token, TooMany.
    """
    registry, authorization = request.registry, request.header("authorization")
    given = (registry, authorization, request.address)
    if not authorization:
        return authentication.identify(*given)
    # What was shown is looked at now and then, and when anything has changed: it takes statements and hashes.
    moment = int(registry.now() / _TRUSTED_S)
    question = ("identity", sha256(authorization.encode("latin-1")), request.address, moment)
    version, known = registry.remembered.peek(question)
    if isinstance(known, Identity):
        return known
    found = await in_thread(authentication.identify, *given)
    registry.remembered.keep(question, version, found)
    return found


def is_nobody(identity: Identity) -> bool:
    """Tell whether somebody did not say who they are, where that matters."""
    return not identity.name and not identity.is_admin


def challenge(request: Request, scope: str) -> str:
    """Return what WWW-Authenticate says."""
    return authentication.challenge(request.registry, request.base_url, scope)


def translated(request: Request, error: errors.LabError) -> errors.LabError:
    """Return the error for somebody who may not: one that asks who they are, if that can change it."""
    identity = request.identity
    is_token = identity.limits is not None
    if not isinstance(error, errors.NotPermitted) or getattr(error, "status", 403) == 401:
        return error
    if not is_nobody(identity) and (not is_token or isinstance(error, problems.Denied)):
        return error  # no other token makes an immutable tag move, or room in a quota
    return problems.Unauthorized(error.message, error.hint, scope=_scope(request))


def _scope(request: Request) -> str:
    """Say what a token has to allow for this request to be carried out."""
    rest = request.path.removeprefix("/v2/")
    if rest == "_catalog":
        return "registry:catalog:*"
    for kind in ("/manifests/", "/blobs/", "/tags/", "/referrers/"):
        name, found, _ = rest.rpartition(kind)
        if found:
            actions = {"GET": "pull", "HEAD": "pull", "DELETE": "delete"}.get(request.method, "pull,push")
            return f"repository:{caching.local_name(request, name)}:{actions}"
    return ""
