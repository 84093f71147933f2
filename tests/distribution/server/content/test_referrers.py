"""Referrers come in pages that clients can read, with those that a tag lists from before."""

from __future__ import annotations

import pytest

from containerlab.distribution.server.content import manifests, referrers
from containerlab.distribution.server.registry import Registry
from containerlab.distribution.server.rights import ANONYMOUS, Identity
from containerlab.errors import NotPermitted
from containerlab.oci import digest as digests
from containerlab.oci.distribution import fallback_tag
from tests.distribution import documents
from tests.distribution.server import pushing

NAME = "lab/base"
SUBJECT = documents.descriptor(b"not here", documents.OCI_MANIFEST)
TYPE = "application/test"


def push(registry: Registry, who: Identity, number: int, size: int = 1, **fields: object) -> str:
    """Push something with annotations of a size; about SUBJECT, unless that is said otherwise."""
    pushing.push_blob(registry, who, NAME, documents.EMPTY)
    annotations = {"number": f"{number}", "text": "x" * size}
    raw = documents.artifact(TYPE, annotations=annotations, **{"subject": SUBJECT, **fields})
    return pushing.put(registry, who, NAME, raw)


def find(registry: Registry, who: Identity, kind: str = "", last: str = "") -> referrers.Referrers:
    return referrers.find(registry, who, NAME, SUBJECT["digest"], kind, last)


def test_pages_are_no_larger_than_what_clients_read(registry: Registry, admin: Identity) -> None:
    pushed = {push(registry, admin, number, size=1 << 20) for number in range(7)}
    found: list[str] = []
    has_more = True
    while has_more:
        page = find(registry, admin, last=found[-1] if found else "")
        assert 1 <= len(page.descriptors) <= 3
        found += [each.digest for each in page.descriptors]
        has_more = page.has_more
    assert found == sorted(pushed)


def test_one_that_is_larger_than_a_page_comes_alone(registry: Registry, admin: Identity) -> None:
    pushed = {push(registry, admin, number, size=(7 << 20) // 2) for number in range(2)}
    first = find(registry, admin)
    assert (len(first.descriptors), first.has_more) == (1, True)
    second = find(registry, admin, last=first.descriptors[0].digest)
    assert {each.digest for each in (*first.descriptors, *second.descriptors)} == pushed


def test_what_an_older_client_listed_in_a_tag_is_found_while_it_is_there(
    registry: Registry, admin: Identity
) -> None:
    old = push(registry, admin, 1, subject=None)
    new = push(registry, admin, 2)
    entries = [
        {"mediaType": documents.OCI_MANIFEST, "digest": digest, "size": 1, "artifactType": kind}
        for digest, kind in ((old, "application/old"), (new, TYPE))
    ]
    raw = documents.index(manifests=entries)
    pushing.put(registry, admin, NAME, raw, fallback_tag(SUBJECT["digest"]))
    assert sorted(each.digest for each in find(registry, admin).descriptors) == sorted([old, new])
    assert [each.digest for each in find(registry, admin, "application/old").descriptors] == [old]
    manifests.delete(registry, admin, NAME, old)
    assert [each.digest for each in find(registry, admin).descriptors] == [new]


def test_a_tag_that_only_looks_like_that_of_referrers_is_no_matter(
    registry: Registry, admin: Identity
) -> None:
    pushing.push(registry, admin, NAME, fallback_tag(SUBJECT["digest"]))
    assert find(registry, admin).descriptors == []


def test_who_may_not_read_learns_nothing(registry: Registry, admin: Identity) -> None:
    push(registry, admin, 1)
    for name in (NAME, "lab/none"):
        with pytest.raises(NotPermitted):
            referrers.find(registry, ANONYMOUS, name, digests.of(b""))
