"""Repositories looked for at a registry: by its own search, or in its catalogue."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from containerlab.errors import InvalidInput, NotFound, Unsupported
from containerlab.oci.reference import DEFAULT_REGISTRY, Reference
from containerlab.oci.untrusted import UNREADABLE
from containerlab.views.table import Column, Table

__all__ = ["Found", "search"]

_USUAL_LIMIT = 25
_MOST_ANSWER_BYTES = 4 << 20


class Found(msgspec.Struct, frozen=True, rename="camel"):
    """A repository that a search found; only Docker Hub tells more than its name."""

    name: str
    description: str = ""
    star_count: int = msgspec.field(name="star_count", default=0)
    is_official: bool = msgspec.field(name="is_official", default=False)


class _Answer(msgspec.Struct):
    results: list[Found] = []


_FOUND = (
    Column("name", "NAME", lambda row: row.name, "name", "Name"),
    Column("description", "DESCRIPTION", lambda row: row.description, "prose", "Description"),
    Column("stars", "STARS", lambda row: row.star_count, "number", "StarCount"),
    Column("official", "OFFICIAL", lambda row: "[OK]" if row.is_official else "", "text", "IsOfficial"),
)


def search(term: str, options: Mapping[str, Any]) -> Table[Found]:
    """Look for repositories: by the registry's own search, or in its catalogue where it has none."""
    registry, text = _parted(term)
    limit = options.get("limit", _USUAL_LIMIT)
    verify = options.get("tls_verify")
    found = _by_search(registry, text, limit, verify)
    if found is None:
        found = list(itertools.islice(_by_catalogue(registry, text, verify), limit))
    prefix = "" if registry == DEFAULT_REGISTRY else f"{registry}/"
    rows = [msgspec.structs.replace(each, name=f"{prefix}{each.name}") for each in found[:limit]]
    shown = [column for column in _FOUND if column.key == "name" or any(map(column.value, rows))]
    return Table(rows, shown)


def _parted(term: str) -> tuple[str, str]:
    """Part `[REGISTRY/]TEXT`; `REGISTRY/` alone means all that it has."""
    first, slash, rest = term.partition("/")
    if not term.strip():
        raise InvalidInput("nothing to search for", "write a word, REGISTRY/WORD, or REGISTRY/ for all")
    is_host = first == "localhost" or ":" in first or (slash and "." in first)
    registry, text = (first, rest.strip()) if is_host else (DEFAULT_REGISTRY, term.strip())
    Reference.parse(f"{registry}/name")
    if registry == DEFAULT_REGISTRY and not text:
        raise InvalidInput("Docker Hub does not list all that it has", "search for a word")
    return registry, text


def _by_search(registry: str, text: str, limit: int, verify: bool | None) -> list[Found] | None:
    """Ask as `docker search` does; None where there is no such question."""
    from containerlab.distribution.endpoints import endpoint
    from containerlab.distribution.exchange import Exchange

    place = endpoint(registry, tls_verify=verify)
    if registry == DEFAULT_REGISTRY:
        place = msgspec.structs.replace(place, url="https://index.docker.io")
    with Exchange(place) as exchange:
        query = [("q", text), ("n", str(min(limit, 100)))]
        with exchange.request("GET", "/v1/search", query=query, scope="", expect=range(200, 500)) as answer:
            if answer.status != 200:
                return None
            raw = answer.read(_MOST_ANSWER_BYTES)
    try:
        return msgspec.json.decode(raw, type=_Answer).results
    except UNREADABLE:
        return None  # a page for people: this registry has a path of that name, but no search


def _by_catalogue(registry: str, text: str, verify: bool | None) -> Iterator[Found]:
    from containerlab.distribution.remote import Remote

    with Remote(Reference(registry, "catalogue", "latest"), tls_verify=verify) as remote:
        try:
            yield from (Found(name) for name in remote.catalog() if text in name)
        except (NotFound, Unsupported) as error:
            raise Unsupported(
                f"{registry} neither searches nor lists what it has",
                "name a repository: `registry tags NAME`",
            ) from error
