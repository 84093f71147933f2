"""Quotas: what an organisation may keep, counted once, refused before bytes are taken."""

from __future__ import annotations

import pytest

from containerlab import errors
from containerlab.distribution.server.content import blobs, manifests, uploads
from containerlab.distribution.server.organizations import quotas
from containerlab.distribution.server.problems import Denied
from containerlab.distribution.server.registry import Registry
from containerlab.distribution.server.rights import Identity, Level
from containerlab.oci import digest as digests
from tests.distribution.documents import EMPTY, image
from tests.distribution.server.pushing import push, push_blob, put

LAYER = b"layer" * 2000


@pytest.fixture
def full(registry: Registry, admin: Identity) -> Registry:
    """Return a registry whose organisation `lab` has room for 4,000 bytes more."""
    push(registry, admin, "lab/base", "v1", layers=[LAYER])
    push(registry, admin, "other/base", "v1", layers=[b"other" * 3000])
    used = quotas.inspect(registry, admin, "lab").used_bytes
    quotas.set_limit(registry, admin, "lab", used + 4000)
    return registry


def test_bytes_are_counted_once_for_an_organisation(registry: Registry, admin: Identity) -> None:
    raw = push(registry, admin, "lab/a", "v1", layers=[LAYER])
    push(registry, admin, "lab/b", "v1", "v2", layers=[LAYER])
    found = quotas.inspect(registry, admin, "lab")
    assert (found.used_bytes, found.limit_bytes) == (len(LAYER) + len(raw) + 2, None)
    assert (found.unique_bytes, found.repositories, found.tags) == (found.used_bytes, 2, 3)
    push(registry, admin, "other/c", "v1", layers=[LAYER])
    assert quotas.inspect(registry, admin, "lab").unique_bytes == 0
    assert [each.organization for each in quotas.listed(registry, admin).items] == ["lab", "other"]


def test_use_of_repositories_is_all_and_their_own(registry: Registry, admin: Identity) -> None:
    raw = push(registry, admin, "lab/a", "v1", layers=[LAYER, b"only a"])
    other = push(registry, admin, "lab/b", "v1", layers=[LAYER])
    found = quotas.repositories(registry, admin, "lab", limit=1)
    (use,) = found.items
    assert (use.repository, use.manifests, use.tags) == ("lab/a", 1, 1)
    assert (use.used_bytes, use.unique_bytes) == (len(LAYER) + 6 + 2 + len(raw), 6 + len(raw))
    (last,) = quotas.repositories(registry, admin, "lab", after=found.next).items
    assert (last.repository, last.unique_bytes) == ("lab/b", len(other))


def test_what_is_too_much_is_refused_before_it_is_taken(full: Registry, admin: Identity) -> None:
    session = uploads.open_session(full, admin, "lab/base", uploads.begin(full, admin, "lab/base"))
    try:
        with pytest.raises(Denied, match=r"organisation lab has .* left of its quota, this needs .* more"):
            session.expect(4001)
        session.expect(4000)
        session.write([b"a" * 3000])
        with pytest.raises(Denied):
            session.write([b"b" * 1001])  # chunked: nobody said how much would come
        assert session.size == 3000
        session.write([b"c" * 1000])
        session.finish(digests.of(b"a" * 3000 + b"c" * 1000))
    finally:
        session.close()
    with pytest.raises(Denied):
        uploads.begin(full, admin, "lab/base")
    push_blob(full, admin, "other/base", b"more of another organisation")


def test_what_is_there_already_needs_no_room(full: Registry, admin: Identity) -> None:
    push_blob(full, admin, "lab/base", b"x" * 4000)
    assert blobs.mount(full, admin, "lab/second", digests.of(LAYER), "lab/base")
    with pytest.raises(Denied):
        blobs.mount(full, admin, "lab/base", digests.of(b"other" * 3000), "other/base")
    raw = image(EMPTY, (LAYER,))
    put(full, admin, "lab/base", raw, "v2")


def test_two_uploads_at_once_cannot_both_have_the_last_room(full: Registry, admin: Identity) -> None:
    data = [b"x" * 3000, b"y" * 3000]
    sessions = [
        uploads.open_session(full, admin, "lab/base", uploads.begin(full, admin, "lab/base")) for _ in data
    ]
    try:
        for session, piece in zip(sessions, data, strict=True):
            session.write([piece])
        sessions[0].finish(digests.of(data[0]))
        with pytest.raises(Denied):
            sessions[1].finish(digests.of(data[1]))
    finally:
        for session in sessions:
            session.close()
    assert not full.blobs.has(digests.of(data[1]))


def test_space_that_is_freed_can_be_used(full: Registry, admin: Identity) -> None:
    with pytest.raises(Denied):
        push_blob(full, admin, "lab/base", b"z" * 9000)
    raw = image(EMPTY, (LAYER,))
    manifests.delete(full, admin, "lab/base", digests.of(raw))
    push_blob(full, admin, "lab/base", b"z" * 9000)


def test_who_sees_and_sets_quotas(full: Registry) -> None:
    ann = Identity(name="ann", rights={"lab/": Level.MANAGE})
    assert [each.organization for each in quotas.listed(full, ann).items] == ["lab"]
    with pytest.raises(errors.NotPermitted):
        quotas.inspect(full, ann, "other")
    with pytest.raises(errors.NotPermitted):
        quotas.set_limit(full, ann, "lab", None)
    with pytest.raises(errors.NotPermitted):
        quotas.repositories(full, ann, "other")


def test_what_repositories_share_is_counted_once_when_it_matters(registry: Registry, admin: Identity) -> None:
    for name in ("lab/a", "lab/b", "lab/c"):
        push(registry, admin, name, "v1", layers=[LAYER])
    quotas.set_limit(registry, admin, "lab", quotas.inspect(registry, admin, "lab").used_bytes + 100)
    push_blob(registry, admin, "lab/a", b"x" * 100)
    with pytest.raises(Denied, match=r"has 0 B left of its quota|has 0B left"):
        push_blob(registry, admin, "lab/a", b"y")


def test_an_organisation_that_is_not_there(registry: Registry, admin: Identity) -> None:
    with pytest.raises(errors.NotFound):
        quotas.set_limit(registry, admin, "nowhere", 5)
    with pytest.raises(errors.NotFound):
        quotas.inspect(registry, admin, "nowhere")


def test_what_one_organisation_keeps_is_found_without_reading_what_all_keep(
    registry: Registry, admin: Identity
) -> None:
    """With ten thousand repositories it took a second for each organisation, and nobody else could read."""
    push(registry, admin, "lab/base", "v1", layers=[b"layer"])
    asked: list[str] = []
    with registry.reader.reading() as connection:
        connection.set_trace_callback(asked.append)
    quotas.listed(registry, admin)
    quotas.repositories(registry, admin, "lab")
    with registry.reader.reading() as connection:
        connection.set_trace_callback(None)
        plans = [
            (statement, row[3])
            for statement in asked
            if statement.startswith("SELECT")
            for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}")
        ]
    assert len(plans) > 10
    read_whole = [(each, step) for each, step in plans if step.startswith(("SCAN links", "SCAN manifests"))]
    assert not read_whole, read_whole
