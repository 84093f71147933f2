"""Copying between registries, without a store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from containerlab import errors
from containerlab.distribution.remote import Remote
from containerlab.distribution.transfer import platforms
from containerlab.distribution.transfer.copy import CopyOrder, copy
from containerlab.distribution.transfer.progress import Blob, Event
from containerlab.distribution.transfer.pull import PullOrder, pull
from containerlab.distribution.transfer.push import PushOrder, push
from containerlab.oci import distribution
from containerlab.oci.reference import Reference
from containerlab.store import removal
from tests import registries
from tests.distribution.artifacts import manifest_of, noise, send_manifest
from tests.distribution.transfer.cable import Cable
from tests.distribution.transfer.conftest import Store
from tests.distribution.transfer.sent import layer_of, send, send_index

_BIG = 3 << 20


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[registries.Registry]:
    with registries.ours(Path(tmp_path_factory.mktemp("ours")), auth="none") as registry:
        yield registry


@pytest.fixture
def target(ours: registries.Registry, repository: str) -> Iterator[Remote]:
    with Remote(Reference.parse(f"{ours.host}/copies/{repository}")) as found:
        yield found


def test_an_image_goes_from_one_registry_to_the_other(remote: Remote, target: Remote) -> None:
    sent = send(remote, "v1", [layer_of("big", noise(_BIG)), layer_of("small", b"small")])
    copied = copy(f"{remote.name}:v1", target.name, CopyOrder())
    assert (copied.name, copied.digest) == (f"{target.name}:v1", sent.root.digest)
    assert target.manifest("v1").descriptor == sent.root
    assert all(target.has_blob(layer) for layer in sent.layers)
    again = copy(f"{remote.name}:v1", target.name, CopyOrder())
    assert again.sent_bytes == 0


def test_an_index_goes_with_all_platforms_or_as_one_of_them(remote: Remote, target: Remote) -> None:
    sent = send_index(
        remote, "v1", {"linux/amd64": [layer_of("a", b"a")], "linux/arm64": [layer_of("b", b"b")]}
    )
    copied = copy(f"{remote.name}:v1", f"{target.name}:all", CopyOrder())
    assert (
        target.manifest("all").descriptor.digest == copied.digest == remote.manifest("v1").descriptor.digest
    )
    assert all(target.head(each.root.digest) for each in sent.values())
    order = CopyOrder(platforms=platforms.read("linux/arm64"))
    one = copy(f"{remote.name}:v1", f"{target.name}:arm", order)
    assert one.digest == target.manifest("arm").descriptor.digest == sent["linux/arm64"].root.digest


def test_within_a_registry_blobs_are_mounted(remote: Remote) -> None:
    sent = send(remote, "v1", [layer_of("big", noise(_BIG))])
    told: list[Event] = []
    copied = copy(f"{remote.name}:v1", f"{remote.name}/copy:v2", CopyOrder(), told.append)
    assert copied.sent_bytes == sent.root.size
    mounted = [event.digest for event in told if isinstance(event, Blob) and event.status == "mounted"]
    assert sent.layers[0].digest in mounted


def test_what_speaks_about_an_image_comes_along_when_that_is_asked(remote: Remote, target: Remote) -> None:
    sent = send(remote, "v1", [layer_of("file", b"content")])
    signature = send_manifest(remote, manifest_of(subject=sent.root, artifact_type="test/signature"))
    about = send_manifest(remote, manifest_of(subject=signature, artifact_type="test/stamp"))
    tag = f"{distribution.fallback_tag(sent.root.digest)}.sig"
    cosign = send_manifest(remote, manifest_of(note="as cosign does"), tag)
    without = copy(f"{remote.name}:v1", target.name, CopyOrder())
    assert without.referrers == 0
    assert target.referrers(sent.root.digest) == []
    copied = copy(f"{remote.name}:v1", target.name, CopyOrder(referrers=True))
    assert copied.referrers == 3
    assert [each.digest for each in target.referrers(sent.root.digest)] == [signature.digest]
    assert [each.digest for each in target.referrers(signature.digest)] == [about.digest]
    assert target.manifest(tag).descriptor.digest == cosign.digest


def test_back_to_a_registry_that_lists_no_referrers(remote: Remote, target: Remote) -> None:
    """Where there is no such list, the client keeps it under the fall-back tag."""
    sent = send(target, "v1", [layer_of("file", b"content")])
    signature = send_manifest(target, manifest_of(subject=sent.root, artifact_type="test/signature"))
    copy(f"{target.name}:v1", remote.name, CopyOrder(referrers=True))
    assert [each.digest for each in remote.referrers(sent.root.digest)] == [signature.digest]
    assert distribution.fallback_tag(sent.root.digest) in remote.tags()


def test_an_artifact_that_is_no_image_is_copied_too(remote: Remote, target: Remote) -> None:
    sent = send_manifest(remote, manifest_of(artifact_type="test/chart"), "v1")
    assert copy(f"{remote.name}:v1", target.name, CopyOrder()).digest == sent.digest


def test_by_digest_it_keeps_its_digest(remote: Remote, target: Remote) -> None:
    sent = send(remote, "v1", [layer_of("file", b"content")])
    copy(f"{remote.name}@{sent.root.digest}", target.name, CopyOrder())
    assert target.head(sent.root.digest) == sent.root


def test_a_source_that_breaks_off_is_taken_up_again(remote: Remote, target: Remote, wire: Cable) -> None:
    sent = send(remote, "v1", [layer_of("big", noise(_BIG))])
    wire.cut_after(down=1 << 20, times=2)
    copy(f"{wire.host}/{remote.reference.repository}:v1", target.name, CopyOrder())
    assert wire.cuts == 2
    assert target.has_blob(sent.layers[0])


def test_what_is_not_there_cannot_be_copied(remote: Remote, target: Remote) -> None:
    with pytest.raises(errors.NotFound):
        copy(f"{remote.name}:v1", target.name, CopyOrder())


def test_what_speaks_about_an_image_goes_through_a_store_too(
    store: Store, remote: Remote, target: Remote
) -> None:
    sent = send(remote, "v1", [layer_of("file", b"content")])
    signature = send_manifest(remote, manifest_of(subject=sent.root, artifact_type="test/signature"))
    about = send_manifest(remote, manifest_of(subject=signature, artifact_type="test/stamp"))
    tag = f"{distribution.fallback_tag(sent.root.digest)}.sig"
    cosign = send_manifest(remote, manifest_of(note="as cosign does"), tag)
    name = f"{target.name}:v1"
    for _ in range(2):  # the second time the image itself is there
        pull(store.images, store.layers, f"{remote.name}:v1", PullOrder(referrers=True))
    store.images.tag(f"{remote.name}:v1", name)
    removal.collect(store.images)
    push(store.images, name, PushOrder())
    assert target.referrers(sent.root.digest) == []
    push(store.images, name, PushOrder(referrers=True))
    assert [each.digest for each in target.referrers(sent.root.digest)] == [signature.digest]
    assert [each.digest for each in target.referrers(signature.digest)] == [about.digest]
    assert target.manifest(tag).descriptor.digest == cosign.digest
    removal.prune(store.images, lambda image_id: [], everything=True)
    assert list(store.images.blobs.digests()) == []
