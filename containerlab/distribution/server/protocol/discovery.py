"""What there is: the base, tags, repositories, referrers."""

from __future__ import annotations

from urllib.parse import urlencode

import msgspec

from containerlab.distribution.server.content import catalog as repositories
from containerlab.distribution.server.content import referrers as referring
from containerlab.distribution.server.problems import PageInvalid, Unauthorized
from containerlab.distribution.server.protocol import caching
from containerlab.distribution.server.protocol.access import is_nobody
from containerlab.distribution.server.protocol.request import Answer, Request, in_thread
from containerlab.oci.image import OCI_INDEX, Index, encode

__all__ = ["base", "catalog", "referrers", "tags"]

_JSON = {"content-type": "application/json"}
_MOST_DIGITS = 9


async def base(request: Request, _: str, __: str) -> Answer:
    """GET /v2/: end-1. Who comes without a name is told here how to show it."""
    if is_nobody(request.identity):
        raise Unauthorized("this registry wants to know who you are", "log in")
    return Answer(200, _JSON, b"{}")


async def tags(request: Request, name: str, _: str) -> Answer:
    """GET /v2/<name>/tags/list: end-8."""
    most = _most(request)
    page = await in_thread(
        repositories.tags, request.registry, request.identity, name, request.query("last"), most
    )
    body = msgspec.json.encode({"name": name, "tags": page.names})
    return Answer(200, _JSON | _link(request, page, most), body)


async def catalog(request: Request, _: str, __: str) -> Answer:
    """GET /v2/_catalog, as Docker has it."""
    if is_nobody(request.identity):
        raise Unauthorized("this registry wants to know who you are", "log in", scope="registry:catalog:*")
    most = _most(request)
    page = await in_thread(
        repositories.repositories, request.registry, request.identity, request.query("last"), most
    )
    return Answer(200, _JSON | _link(request, page, most), msgspec.json.encode({"repositories": page.names}))


def _most(request: Request) -> int:
    """Read how many entries a page shall have; what is larger than a page can be is a page.

    Raises: PageInvalid for what is not a number.
    """
    text = request.query("n")
    if not text and not request.queries("n"):
        return repositories.MOST_ENTRIES
    if not (text.isascii() and text.isdigit()):
        raise PageInvalid(f"n is {text[:40]!r}, not a number")
    return int(text) if len(text) <= _MOST_DIGITS else repositories.MOST_ENTRIES


def _link(request: Request, page: repositories.Page, most: int) -> dict[str, str]:
    if not page.has_more:
        return {}
    query = urlencode({"last": page.names[-1], "n": min(most, repositories.MOST_ENTRIES)})
    return {"link": f'<{request.path}?{query}>; rel="next"'}


async def referrers(request: Request, name: str, digest: str) -> Answer:
    """GET /v2/<name>/referrers/<digest>: end-12a, end-12b with `artifactType`."""
    wanted = request.query("artifactType")
    name = caching.local_name(request, name)
    await caching.referrers_refreshed(request, name, digest)
    found = await in_thread(
        referring.find, request.registry, request.identity, name, digest, wanted, request.query("last")
    )
    headers = {"content-type": OCI_INDEX}
    if wanted:
        headers["oci-filters-applied"] = "artifactType"
    if found.has_more:
        query = {"artifactType": wanted} if wanted else {}
        query["last"] = found.descriptors[-1].digest
        headers["link"] = f'<{request.path}?{urlencode(query)}>; rel="next"'
    index = Index(schema_version=2, media_type=OCI_INDEX, manifests=tuple(found.descriptors))
    return Answer(200, headers, encode(index))
