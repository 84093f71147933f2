"""Garbage collection: what goes, what stays, what was promised, and pushes meanwhile."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from containerlab import errors
from containerlab.distribution.server.content import blobs, manifests, uploads
from containerlab.distribution.server.organizations import organizations, repositories
from containerlab.distribution.server.problems import BlobUnknown, Denied, ManifestBlobUnknown
from containerlab.distribution.server.registry import Registry
from containerlab.distribution.server.rights import Identity, Level
from containerlab.distribution.server.rules import immutability
from containerlab.distribution.server.upkeep import garbage, verification
from containerlab.oci import digest as digests
from tests.distribution.documents import image
from tests.distribution.server.grounds import Clock, opened
from tests.distribution.server.pushing import push, push_blob, push_index, put

LAYER, OTHER = b"a layer" * 1000, b"another" * 2000
DAY_S = 86400.0


def _on_disk(registry: Registry, data: bytes) -> bool:
    return registry.blobs.has(digests.of(data))


def test_what_no_manifest_needs_goes_after_the_grace_period(
    registry: Registry, admin: Identity, clock: Clock
) -> None:
    push(registry, admin, "lab/base", "v1", layers=[LAYER])
    push_blob(registry, admin, "lab/base", OTHER)
    assert garbage.collect(registry, admin).links == 0
    clock.advance(DAY_S + 1)
    said = garbage.collect(registry, admin, dry_run=True)
    assert (said.links, said.freed_bytes) == (1, len(OTHER))
    assert _on_disk(registry, OTHER)
    done = garbage.collect(registry, admin)
    assert (done.links, done.freed_bytes) == (1, len(OTHER))
    assert not _on_disk(registry, OTHER)
    assert _on_disk(registry, LAYER)
    assert garbage.collect(registry, admin).links == 0


def test_the_grace_period_can_be_left_out_on_request(
    registry: Registry, admin: Identity, clock: Clock
) -> None:
    push_blob(registry, admin, "lab/base", OTHER)
    clock.advance(1)
    assert garbage.collect(registry, admin, grace_s=0.0).links == 1
    with pytest.raises(BlobUnknown):
        blobs.find(registry, admin, "lab/base", digests.of(OTHER))


def test_who_was_told_that_a_blob_is_there_can_push_its_manifest(
    registry: Registry, admin: Identity, clock: Clock
) -> None:
    push_blob(registry, admin, "lab/base", LAYER)
    clock.advance(DAY_S + 1)
    assert blobs.promise(registry, admin, "lab/base", digests.of(LAYER))
    assert garbage.collect(registry, admin).links == 0
    push_blob(registry, admin, "lab/base", b"{}")
    put(registry, admin, "lab/base", image(b"{}", (LAYER,)), "v1")
    clock.advance(DAY_S + 1)
    garbage.sweep(registry)
    assert _on_disk(registry, LAYER)


def test_nothing_is_promised_that_is_not_there(registry: Registry, admin: Identity) -> None:
    push_blob(registry, admin, "lab/base", LAYER)
    assert not blobs.promise(registry, admin, "lab/base", digests.of(OTHER))
    assert not blobs.promise(registry, admin, "lab/nowhere", digests.of(LAYER))


def test_the_space_of_a_deleted_manifest_is_back_at_once(registry: Registry, admin: Identity) -> None:
    raw = push(registry, admin, "lab/base", "v1", layers=[LAYER, OTHER])
    push(registry, admin, "lab/base", "v2", layers=[LAYER])
    push(registry, admin, "lab/base", "v1", layers=[LAYER, OTHER])  # looked at again, and sent again
    manifests.delete(registry, admin, "lab/base", digests.of(raw))
    assert not _on_disk(registry, OTHER)
    assert not _on_disk(registry, raw)
    assert _on_disk(registry, LAYER)


def test_a_client_that_deletes_a_manifest_can_delete_its_blobs_for_a_moment(
    registry: Registry, admin: Identity, clock: Clock
) -> None:
    job = garbage.Deletions(registry)
    raw = push(registry, admin, "lab/base", "v1", layers=[LAYER, OTHER])
    manifests.delete(registry, admin, "lab/base", digests.of(raw), frees_space=False)
    job.step()
    blobs.delete(registry, admin, "lab/base", digests.of(OTHER))
    assert _on_disk(registry, LAYER)
    clock.advance(31)
    job.step()
    assert not _on_disk(registry, LAYER)
    assert not _on_disk(registry, raw)


def test_the_space_of_a_removed_repository_is_back_at_once(registry: Registry, admin: Identity) -> None:
    push(registry, admin, "lab/base", "v1", layers=[LAYER])
    push(registry, admin, "lab/other", "v1", layers=[LAYER, OTHER])
    repositories.remove(registry, admin, "lab/other")
    assert not _on_disk(registry, OTHER)
    assert _on_disk(registry, LAYER)
    organizations.remove(registry, admin, "lab", force=True)
    assert set(registry.blobs.digests()) == set()


def test_a_repository_with_an_immutable_tag_stays(registry: Registry, admin: Identity) -> None:
    push(registry, admin, "lab/base", "v1", layers=[LAYER])
    immutability.set_rule(registry, admin, "lab/", tags=("v*",))
    with pytest.raises(Denied):
        repositories.remove(registry, admin, "lab/base")
    with pytest.raises(Denied):
        organizations.remove(registry, admin, "lab", force=True)
    assert blobs.find(registry, admin, "lab/base", digests.of(LAYER))


def test_a_deleted_manifest_takes_nothing_from_a_push_that_is_under_way(
    registry: Registry, admin: Identity
) -> None:
    raw = push(registry, admin, "lab/base", "v1", layers=[LAYER])
    other = Identity(name="ann", rights={"lab/": Level.MANAGE})
    assert blobs.promise(registry, other, "lab/base", digests.of(LAYER))
    manifests.delete(registry, admin, "lab/base", digests.of(raw))
    push_blob(registry, other, "lab/base", b"{}")
    put(registry, other, "lab/base", image(b"{}", (LAYER,)), "v2")
    assert _on_disk(registry, LAYER)


def test_what_an_image_of_the_store_needs_stays_on_the_disk(registry: Registry, admin: Identity) -> None:
    config = b'{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]},"config":{}}'
    raw = push(registry, admin, "lab/base", "v1", config=config)
    from containerlab.oci.image import OCI_MANIFEST, Descriptor

    registry.images.put("mine", Descriptor(media_type=OCI_MANIFEST, digest=digests.of(raw), size=len(raw)))
    manifests.delete(registry, admin, "lab/base", digests.of(raw))
    assert _on_disk(registry, raw)
    assert _on_disk(registry, config)


def test_untagged_manifests_go_by_choice(registry: Registry, admin: Identity, clock: Clock) -> None:
    amd = push(registry, admin, "lab/base", layers=[LAYER])
    push(registry, admin, "lab/base", layers=[OTHER])
    push_index(registry, admin, "lab/base", "v1", of=[amd])
    signature = push(registry, admin, "lab/base", layers=[b"signature"], subject=amd)
    clock.advance(DAY_S + 1)
    assert garbage.collect(registry, admin).manifests == 0
    said = garbage.collect(registry, admin, untagged=True, dry_run=True)
    done = garbage.collect(registry, admin, untagged=True)
    assert (said.manifests, said.freed_bytes) == (done.manifests, done.freed_bytes)
    assert done.manifests == 1
    assert not _on_disk(registry, OTHER)
    assert _on_disk(registry, LAYER)
    assert _on_disk(registry, signature)


def test_a_dry_run_counts_what_two_repositories_would_lose_together(
    registry: Registry, admin: Identity, clock: Clock
) -> None:
    for name in ("lab/a", "lab/b", "other/c"):
        push_blob(registry, admin, name, OTHER)
    clock.advance(DAY_S + 1)
    assert garbage.collect(registry, admin, "lab/", dry_run=True).freed_bytes == 0
    assert garbage.collect(registry, admin, dry_run=True).freed_bytes == len(OTHER)


def test_only_who_manages_collects(registry: Registry) -> None:
    bob = Identity(name="bob", rights={"lab/": Level.WRITE})
    for scope in ("", "lab/", "lab/base"):
        with pytest.raises(errors.NotPermitted):
            garbage.collect(registry, bob, scope)
        with pytest.raises(errors.NotPermitted):
            verification.verify(registry, bob, scope)


def test_verify_finds_what_is_damaged_and_missing(registry: Registry, admin: Identity) -> None:
    push(registry, admin, "lab/base", "v1", layers=[LAYER, OTHER, b"short"])
    push(registry, admin, "lab/copy", "v1", layers=[LAYER])
    assert [each.digest for each in verification.verify(registry, admin)] == [""]
    registry.blobs.path(digests.of(LAYER)).write_bytes(LAYER[:-1] + b"X")
    registry.blobs.path(digests.of(OTHER)).unlink()
    registry.blobs.path(digests.of(b"short")).write_bytes(b"longer")
    found = {each.digest: each for each in verification.verify(registry, admin)}
    assert {digest: each.problem for digest, each in found.items()} == {
        digests.of(LAYER): "damaged",
        digests.of(OTHER): "missing",
        digests.of(b"short"): "damaged",
        "": "",
    }
    assert found[digests.of(LAYER)].repositories == ("lab/base", "lab/copy")
    assert found[""].blobs == 6


def test_what_is_damaged_can_be_discarded_and_comes_again(registry: Registry, admin: Identity) -> None:
    push(registry, admin, "lab/base", "v1", layers=[LAYER, OTHER])
    registry.blobs.path(digests.of(LAYER)).write_bytes(LAYER[:-1] + b"X")
    ann = Identity(name="ann", rights={"lab/": Level.MANAGE})
    with pytest.raises(errors.NotPermitted):
        verification.verify(registry, ann, "lab/", discard=True)
    push(registry, admin, "lab/base", "v1", layers=[LAYER, OTHER])  # which is told that it is there
    problems = [each.problem for each in verification.verify(registry, admin, discard=True)]
    assert problems == ["damaged", ""]
    assert not _on_disk(registry, LAYER)
    assert _on_disk(registry, OTHER)
    push(registry, admin, "lab/base", "v1", layers=[LAYER, OTHER])
    assert [each.problem for each in verification.verify(registry, admin)] == [""]


@pytest.mark.slow
def test_collections_and_deletions_lose_nothing_of_pushes_that_go_on(tmp_path: Path) -> None:
    """Eight clients push images that share layers, delete them, and wait for nobody; others collect.

    Whatever manifest is there has all that it needs, on the disk and readable, at every moment.
    """
    layers = [bytes([number]) * 5000 for number in range(6)]
    over = threading.Event()
    lost: list[str] = []

    with opened(tmp_path / "stress", time.time) as registry:

        def client(number: int) -> int:
            chance, pushed = random.Random(number), 0
            who = Identity(name=f"user{number}", is_admin=True)
            for turn in range(15):
                name = chance.choice(["lab/a", "lab/b"])
                mine = chance.sample(layers, 3)
                try:
                    raw = push(registry, who, name, f"t{number}", layers=mine)
                    pushed += 1
                except ManifestBlobUnknown as error:
                    lost.append(f"{number} {turn}: {error}")
                    continue
                if chance.random() < 0.7:
                    with contextlib.suppress(errors.NotFound):  # another client deleted the same
                        manifests.delete(registry, who, name, digests.of(raw))
            return pushed

        def collector() -> None:
            while not over.is_set():
                garbage.collect(registry, Identity(name="root", is_admin=True), untagged=True)
                _check(registry)

        with ThreadPoolExecutor(10) as pool:
            collecting = [pool.submit(collector) for _ in range(2)]
            try:
                assert sum(pool.map(client, range(8))) == 120 - len(lost)
            finally:
                over.set()
            for each in collecting:
                each.result()
        _check(registry)
        assert lost == []
        assert uploads.sweep(registry) == 0


def _check(registry: Registry) -> None:
    """Read all that manifests need, in the state of one moment: links and blobs may only be more."""
    with registry.reader.reading() as connection:
        missing = connection.execute(
            "SELECT p.digest FROM parts p LEFT JOIN links l USING (repository, digest)"
            " WHERE l.digest IS NULL AND p.kind != 'manifest'"
        ).fetchall()
        rows = connection.execute("SELECT DISTINCT digest FROM links").fetchall()
        absent = [digest for (digest,) in rows if not registry.blobs.has(digest)]
        still = {digest for (digest,) in connection.execute("SELECT digest FROM links")}
    assert missing == []
    assert [digest for digest in absent if digest in still] == []
