"""Pulling from a registry that others wrote."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from containerlab import errors
from containerlab.distribution.remote import Remote
from containerlab.distribution.transfer import platforms
from containerlab.distribution.transfer.progress import Begun, Blob, Event, Note
from containerlab.distribution.transfer.pull import PullOrder, pull
from containerlab.oci import image as documents
from containerlab.oci.image import Descriptor
from containerlab.store import removal
from tests.containers import until
from tests.distribution.artifacts import manifest_of, noise, send_manifest
from tests.distribution.transfer.cable import Cable
from tests.distribution.transfer.conftest import Store
from tests.distribution.transfer.sent import layer_of, send, send_index

_BIG = 3 << 20


def _order(text: str = "", **fields: object) -> PullOrder:
    return PullOrder(platforms=platforms.read(text), **fields)  # type: ignore[arg-type]  # as the test says


def _layers(count: int = 2, size: int = 1000, seed: int = 0) -> list[bytes]:
    return [layer_of(f"file{number}", noise(size, seed * 100 + number)) for number in range(count)]


def test_an_image_is_in_the_store_unpacked(store: Store, remote: Remote) -> None:
    sent = send(remote, "v1", _layers())
    told: list[Event] = []
    (found,) = pull(store.images, store.layers, f"{remote.name}:v1", _order(), told.append)
    assert (found.name, found.digest, found.is_new) == (f"{remote.name}:v1", sent.root.digest, True)
    image = store.images.get(f"{remote.name}:v1")
    assert image.diff_ids == sent.diff_ids
    assert all(store.layers.path(diff_id).is_dir() for diff_id in sent.diff_ids)
    assert store.layers.path(sent.diff_ids[0]).joinpath("file0").read_bytes() == noise(1000, 0)
    assert store.rest() == []
    assert told[0] == Begun("Pulling from", remote.reference.repository, "v1")
    ends = [event.digest for event in told if isinstance(event, Blob) and event.status == "pulled"]
    assert sorted(ends) == sorted(layer.digest for layer in sent.layers)


def test_what_is_there_is_not_fetched_again(store: Store, remote: Remote, wire: Cable) -> None:
    send(remote, "v1", _layers(2, _BIG))
    name = f"{wire.host}/{remote.reference.repository}:v1"
    pull(store.images, store.layers, name, _order())
    before = wire.moved["down"]
    (found,) = pull(store.images, store.layers, name, _order())
    assert (found.is_new, found.fetched_bytes) == (False, 0)
    assert wire.moved["down"] - before < 2000


def test_only_the_new_layer_of_a_new_version_is_fetched(store: Store, remote: Remote, wire: Cable) -> None:
    name = f"{wire.host}/{remote.reference.repository}"
    below = _layers(2, _BIG)
    send(remote, "v1", below)
    pull(store.images, store.layers, f"{name}:v1", _order())
    before = wire.moved["down"]
    sent = send(remote, "v2", [*below, layer_of("top", noise(_BIG, 7))])
    (found,) = pull(store.images, store.layers, f"{name}:v2", _order())
    needed = sent.layers[-1].size + sent.root.size
    assert found.fetched_bytes - needed < 1000
    assert wire.moved["down"] - before < needed * 1.01


def test_a_tag_that_has_moved_is_followed(store: Store, remote: Remote) -> None:
    name = f"{remote.name}:v1"
    send(remote, "v1", _layers(1))
    pull(store.images, store.layers, name, _order())
    sent = send(remote, "v1", _layers(1, seed=1))
    (found,) = pull(store.images, store.layers, name, _order())
    assert (found.is_new, found.digest) == (True, sent.root.digest)


def test_an_image_comes_by_its_digest(store: Store, remote: Remote) -> None:
    sent = send(remote, "v1", _layers(1))
    send(remote, "v1", _layers(1, seed=1))
    name = f"{remote.name}@{sent.root.digest}"
    (found,) = pull(store.images, store.layers, name, _order())
    assert found.name == name
    assert store.images.get(name).descriptor.digest == sent.root.digest
    (again,) = pull(store.images, store.layers, f"{remote.name}:v1@{sent.root.digest}", _order())
    assert not again.is_new


def test_all_tags_come_at_once(store: Store, remote: Remote) -> None:
    for number in range(3):
        send(remote, f"v{number}", _layers(1, seed=number))
    found = pull(store.images, store.layers, remote.name, _order(all_tags=True))
    assert sorted(each.name for each in found) == [f"{remote.name}:v{number}" for number in range(3)]
    with pytest.raises(errors.InvalidInput, match="all tags"):
        pull(store.images, store.layers, f"{remote.name}:v1", _order(all_tags=True))


@pytest.mark.parametrize(
    "media_type", [documents.OCI_LAYER, documents.OCI_LAYER_ZSTD, documents.DOCKER_LAYER_GZIP]
)
def test_layers_may_be_packed_in_any_way(store: Store, remote: Remote, media_type: str) -> None:
    sent = send(remote, "v1", _layers(2, _BIG), media_type=media_type)
    pull(store.images, store.layers, f"{remote.name}:v1", _order())
    assert store.layers.path(sent.diff_ids[1]).joinpath("file1").read_bytes() == noise(_BIG, 1)


# --- platforms ---


def test_of_an_index_only_what_is_asked_for_is_fetched(store: Store, remote: Remote) -> None:
    both = {"linux/amd64": _layers(1), "linux/arm64": _layers(1, seed=1)}
    sent = send_index(remote, "v1", both)
    name = f"{remote.name}:v1"
    pull(store.images, store.layers, name, _order("linux/arm64"))
    assert store.images.get(name, "linux/arm64").manifest_digest == sent["linux/arm64"].root.digest
    assert store.has(sent["linux/amd64"].root.digest) == [False]
    (found,) = pull(store.images, store.layers, name, _order("linux/amd64"))
    assert found.fetched_bytes
    assert (
        store.images.get(name, "linux/arm64").descriptor == store.images.get(name, "linux/amd64").descriptor
    )


def test_all_platforms_can_be_kept(store: Store, remote: Remote) -> None:
    sent = send_index(remote, "v1", {"linux/amd64": _layers(1), "linux/arm64": _layers(1, seed=1)})
    pull(store.images, store.layers, f"{remote.name}:v1", _order("all"))
    assert store.has(*(layer.digest for each in sent.values() for layer in each.layers)) == [True, True]


@pytest.mark.parametrize("is_index", [True, False])
def test_a_platform_that_is_not_there_is_named_with_those_that_are(
    store: Store, remote: Remote, is_index: bool
) -> None:
    if is_index:
        send_index(remote, "v1", {"linux/amd64": _layers(1), "linux/arm64": _layers(1, seed=1)})
    else:
        send(remote, "v1", _layers(1))
    with pytest.raises(errors.NotFound, match="no image for linux/s390x") as caught:
        pull(store.images, store.layers, f"{remote.name}:v1", _order("linux/s390x"))
    assert "linux/a" in caught.value.hint
    assert not store.images.list()


# --- when to ask ---


def test_policy_never_and_missing_do_without_a_registry(store: Store, remote: Remote, wire: Cable) -> None:
    name = f"{wire.host}/{remote.reference.repository}:v1"
    with pytest.raises(errors.NotFound):
        pull(store.images, store.layers, name, _order(policy="never"))
    send(remote, "v1", _layers(1))
    pull(store.images, store.layers, name, _order(policy="missing"))
    before = wire.moved["up"]
    for policy in ("missing", "never"):
        (found,) = pull(store.images, store.layers, name, _order(policy=policy))
        assert not found.is_new
    assert wire.moved["up"] == before


def test_policy_newer_takes_what_is_there_when_nobody_answers(store: Store, remote: Remote) -> None:
    send(remote, "v1", _layers(1))
    pull(store.images, store.layers, f"{remote.name}:v1", _order())
    remote.delete_manifest(store.images.get(f"{remote.name}:v1").descriptor.digest)
    told: list[Event] = []
    (found,) = pull(store.images, store.layers, f"{remote.name}:v1", _order(policy="newer"), told.append)
    assert not found.is_new
    assert any(isinstance(event, Note) for event in told)
    with pytest.raises(errors.NotFound, match="nothing called v1"):
        pull(store.images, store.layers, f"{remote.name}:v1", _order())


# --- what goes wrong ---


def test_an_artifact_that_is_no_image_is_refused_by_name(store: Store, remote: Remote) -> None:
    send_manifest(remote, manifest_of(artifact_type="test/chart"), "v1")
    with pytest.raises(errors.Unsupported, match="artifact of type test/chart"):
        pull(store.images, store.layers, f"{remote.name}:v1", _order())
    assert store.rest() == []


def test_a_connection_that_breaks_off_is_taken_up_where_it_was(
    store: Store, remote: Remote, wire: Cable
) -> None:
    sent = send(remote, "v1", _layers(1, _BIG))
    wire.cut_after(down=900_000, times=3)
    pull(store.images, store.layers, f"{wire.host}/{remote.reference.repository}:v1", _order())
    assert wire.cuts == 3
    assert store.layers.path(sent.diff_ids[0]).joinpath("file0").read_bytes() == noise(_BIG, 0)
    assert wire.moved["down"] < sent.layer_bytes * 1.2


def test_a_pull_that_was_cut_off_goes_on_where_it_was(store: Store, remote: Remote, wire: Cable) -> None:
    sent = send(remote, "v1", [*_layers(1, _BIG), layer_of("small", b"small")])
    name = f"{wire.host}/{remote.reference.repository}:v1"
    small = sent.layers[1]

    def stop_later(event: Event) -> None:
        if isinstance(event, Blob) and event.digest != small.digest and event.done > _BIG // 2:
            until(lambda: store.images.blobs.has(small.digest))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pull(store.images, store.layers, name, _order(), stop_later)
    assert not store.images.list()
    assert store.has(small.digest, sent.layers[0].digest) == [True, False]
    assert [entry.partition("-")[0] for entry in store.rest()] == ["partial"]
    assert not store.layers.path(sent.diff_ids[0]).exists()
    before = wire.moved["down"]
    (found,) = pull(store.images, store.layers, name, _order())
    assert found.fetched_bytes < _BIG // 2 + 10_000
    assert wire.moved["down"] - before < _BIG // 2 + 20_000
    assert store.layers.path(sent.diff_ids[0]).joinpath("file0").read_bytes() == noise(_BIG, 0)
    assert store.rest() == []


def test_what_was_there_of_a_blob_and_is_wrong_is_fetched_anew(store: Store, remote: Remote) -> None:
    sent = send(remote, "v1", _layers(1, _BIG))
    partial = store.home.temporary / f"partial-{sent.layers[0].digest.replace(':', '-')}"
    partial.write_bytes(noise(_BIG // 2, 99))
    pull(store.images, store.layers, f"{remote.name}:v1", _order())
    assert store.layers.path(sent.diff_ids[0]).joinpath("file0").read_bytes() == noise(_BIG, 0)
    assert store.rest() == []


def test_more_than_the_whole_blob_that_is_there_is_not_believed(store: Store, remote: Remote) -> None:
    sent = send(remote, "v1", _layers(1))
    partial = store.home.temporary / f"partial-{sent.layers[0].digest.replace(':', '-')}"
    partial.write_bytes(noise(_BIG, 99))
    pull(store.images, store.layers, f"{remote.name}:v1", _order())
    assert store.images.blobs.size(sent.layers[0].digest) == sent.layers[0].size


def test_prune_takes_what_was_cut_off(store: Store) -> None:
    partial = store.home.temporary / f"partial-sha256-{'0' * 64}"
    partial.write_bytes(bytes(1000))
    assert store.home.sweep() == 0
    _, freed_bytes = removal.prune(store.images, lambda image_id: [])
    assert freed_bytes == 1000
    assert store.rest() == []


# --- at the same time ---


def test_two_pulls_at_once_fetch_layers_once(
    store: Store, remote: Remote, wire: Cable, another_store: Callable[[str], Store]
) -> None:
    sent = send(remote, "v1", _layers(3, _BIG))
    name = f"{wire.host}/{remote.reference.repository}:v1"
    failures: list[BaseException] = []

    def work() -> None:
        try:
            pull(store.images, store.layers, name, _order())
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert wire.moved["down"] < sent.layer_bytes * 1.1
    assert store.rest() == []


def test_a_collection_leaves_a_pull_alone(store: Store, remote: Remote, wire: Cable) -> None:
    sent = send(remote, "v1", [*_layers(1, _BIG), layer_of("small", b"small")])
    wire.hold_after(_BIG // 2)
    name = f"{wire.host}/{remote.reference.repository}:v1"
    thread = threading.Thread(target=lambda: pull(store.images, store.layers, name, _order()))
    thread.start()
    try:
        assert wire.held.wait(60)
        until(lambda: store.images.blobs.has(sent.layers[1].digest))
        removal.prune(store.images, lambda image_id: [], everything=True)
        store.layers.drop(store.images.referenced_diff_ids)
        store.home.sweep()
    finally:
        wire.release()
        thread.join()
    assert store.images.get(name).layers == sent.layers
    assert all(store.layers.path(diff_id).is_dir() for diff_id in sent.diff_ids)


def test_a_layer_that_comes_twice_is_fetched_once(store: Store, remote: Remote, wire: Cable) -> None:
    layer = layer_of("file", noise(_BIG, 5))
    sent = send(remote, "v1", [layer, *_layers(1), layer])
    name = f"{wire.host}/{remote.reference.repository}:v1"
    pull(store.images, store.layers, name, _order())
    assert wire.moved["down"] < sent.layers[0].size * 1.1
    assert len(store.images.get(name).layers) == 3


def test_the_largest_layer_is_begun_first(store: Store, remote: Remote) -> None:
    sent = send(remote, "v1", [*_layers(3), layer_of("large", noise(_BIG))])
    moved: list[str] = []

    def note(event: Event) -> None:
        if isinstance(event, Blob) and event.status in ("downloading", "extracting"):
            moved.append(event.digest)

    pull(store.images, store.layers, f"{remote.name}:v1", _order(jobs=1), note)
    largest: Descriptor = max(sent.layers, key=lambda layer: layer.size)
    assert moved[0] == largest.digest
