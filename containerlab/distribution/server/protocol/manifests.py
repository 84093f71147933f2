"""GET, HEAD, PUT and DELETE of manifests."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Sequence

from containerlab.distribution.server.content import catalog, documents, manifests
from containerlab.distribution.server.content.pushing import Condition, Push, Pushed, push
from containerlab.distribution.server.problems import ManifestInvalid, Unsupported, UploadTimedOut
from containerlab.distribution.server.protocol import caching, ranges
from containerlab.distribution.server.protocol.request import LARGE_BYTES, Answer, Request, in_thread

__all__ = ["delete", "get", "put"]

_MOST_TAGS = 32
_PATIENCE_S = 120.0


async def get(request: Request, name: str, reference: str) -> Answer:
    """GET or HEAD /v2/<name>/manifests/<reference>: end-3.

    It is given as it was pushed, whatever the client would rather have: a digest allows no other way.
    """
    registry = request.registry
    name = caching.local_name(request, name)
    warnings = await caching.refreshed(request, name, reference)
    found = manifests.find(registry, request.identity, name, reference)
    headers = {
        **warnings,
        "content-type": found.media_type,
        "docker-content-digest": found.digest,
        "etag": ranges.etag(found.digest),
    }
    if (known := request.header("if-none-match")) and ranges.is_match(known, found.digest):
        return Answer(304, headers)
    if request.method == "HEAD":
        return Answer(200, {**headers, "content-length": str(found.size)})
    raw = registry.documents.get(found.digest)
    if raw is None:
        raw = await in_thread(manifests.read, registry, found)
    request.shared.pulls.note(request.identity, name, reference, found.digest)
    return Answer(200, headers, raw)


async def put(request: Request, name: str, reference: str) -> Answer:
    """PUT /v2/<name>/manifests/<reference>: end-7a, end-7b with `tag`."""
    is_digest = ":" in reference
    tags = request.queries("tag") if is_digest else [reference]
    if len(tags) > _MOST_TAGS:
        raise ManifestInvalid(f"{len(tags)} tags in one request", f"give {_MOST_TAGS} at most")
    with request.registry.quick.reading() as connection:  # nobody else's body is read
        catalog.require_push(connection, request.identity, name)
    if request.length is None or request.length > LARGE_BYTES:
        async with request.shared.large:
            pushed = await _push(request, name, reference if is_digest else "", tags)
    else:
        pushed = await _push(request, name, reference if is_digest else "", tags)
    answer = Answer(
        201, {"location": f"/v2/{name}/manifests/{pushed.digest}", "docker-content-digest": pushed.digest}
    )
    if pushed.subject:
        answer.headers["oci-subject"] = pushed.subject
        if not pushed.has_subject:
            answer.headers["warning"] = f'299 - "{pushed.subject}, which this is about, is not here yet"'
    if is_digest and tags:
        answer.headers["oci-tag"] = tags
    return answer


async def _push(request: Request, name: str, digest: str, tags: Sequence[str]) -> Pushed:
    try:
        async with asyncio.timeout(_PATIENCE_S):  # others wait for their turn
            raw = await request.body(documents.MAX_BYTES)
    except TimeoutError:
        raise UploadTimedOut("the manifest comes too slowly", "send it again") from None
    document = await in_thread(documents.read, raw, request.header("content-type"))
    wanted = Push(document, digest, tags, _condition(request))
    return await in_thread(push, request.registry, request.identity, name, wanted)


def _condition(request: Request) -> Condition:
    """Read If-Match and If-None-Match, which keep two clients from changing one tag without knowing."""
    if request.header("if-none-match").strip() == "*":
        return Condition(is_new=True)
    if known := request.header("if-match"):
        return Condition(digests=ranges.digests(known))
    return Condition()


async def delete(request: Request, name: str, reference: str) -> Answer:
    """DELETE /v2/<name>/manifests/<reference>: end-9."""
    if not request.registry.settings.deletes:
        raise Unsupported("this registry deletes nothing")
    call = functools.partial(manifests.delete, frees_space=False)  # clients may delete its blobs themselves
    await in_thread(call, request.registry, request.identity, name, reference)
    return Answer(202)
