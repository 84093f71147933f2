"""Where each page is: the addresses that templates link to and that routes serve.

A repository's name may have any number of parts; what follows it stands behind `/-/`, which no name can have.
"""

from __future__ import annotations

from urllib.parse import quote, urlencode

__all__ = [
    "HOME",
    "is_ours",
    "layer",
    "manifest",
    "of",
    "organization",
    "repository",
    "tag",
    "with_query",
]

HOME = "/ui/"


def repository(name: str, *below: str) -> str:
    """Return the address of a repository, or of something that belongs to it.

    >>> repository("lab/base"), repository("lab/base", "settings")
    ('/ui/repositories/lab/base', '/ui/repositories/lab/base/-/settings')
    """
    rest = "/-/" + "/".join(quote(each, safe=":@") for each in below) if below else ""
    return f"/ui/repositories/{quote(name)}{rest}"


def tag(name: str, tag: str) -> str:
    return repository(name, "tags", tag)


def manifest(name: str, digest: str) -> str:
    return repository(name, "manifests", digest)


def of(name: str, reference: str) -> str:
    """Return the address of what a tag or a digest leads to."""
    return manifest(name, reference) if ":" in reference else tag(name, reference)


def layer(name: str, manifest: str, digest: str) -> str:
    return repository(name, "manifests", manifest, "layers", digest)


def organization(name: str, *below: str) -> str:
    return "/".join(("/ui/organizations", *(quote(each, safe="") for each in (name, *below))))


def with_query(address: str, **values: str | int) -> str:
    """Add what is not empty as a query."""
    query = urlencode({name: value for name, value in values.items() if value != ""})
    return f"{address}?{query}" if query else address


def is_ours(address: str) -> bool:
    """Tell whether an address that came with a request leads to a page of ours, and nowhere else.

    >>> is_ours("/ui/audit?page=2"), is_ours("//evil.example/ui/"), is_ours("/ui/\\\\evil.example")
    (True, False, False)
    """
    return address.startswith(HOME) and address.isprintable() and not {"\\", " "} & set(address)
