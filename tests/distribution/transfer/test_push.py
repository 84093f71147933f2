"""Pushing to a registry that others wrote."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from containerlab import errors
from containerlab.distribution.remote import Remote
from containerlab.distribution.transfer import platforms
from containerlab.distribution.transfer.progress import Blob, Event, Note
from containerlab.distribution.transfer.pull import PullOrder, pull
from containerlab.distribution.transfer.push import PushOrder, push
from containerlab.oci import digest as digests
from tests.distribution.artifacts import noise
from tests.distribution.transfer.cable import Cable
from tests.distribution.transfer.conftest import Store
from tests.distribution.transfer.sent import layer_of, send, send_index
from tests.store import pictures

_BIG = 3 << 20


def _big(store: Store, name: str, size: int = _BIG) -> str:
    """Put an image of one large layer into the store; return the layer's digest."""
    descriptor = pictures.put(store.images, None, "base")
    from containerlab.oci.image import OCI_LAYER, History
    from containerlab.store.assemble import Layer, assemble

    plain = layer_of("big", noise(size, 17))
    with store.images.blobs.lease():
        blob = store.images.blobs.write(plain, OCI_LAYER)
        base = store.images.at(descriptor)
        layer = Layer(blob, digests.of(plain), History(created_by="big"))
        store.images.put(name, assemble(store.images.blobs, [layer], base.config, base))
    return blob.digest


def _told(wanted: str, told: list[Event]) -> list[str]:
    return [event.digest for event in told if isinstance(event, Blob) and event.status == wanted]


def test_what_is_pushed_can_be_pulled(
    store: Store, remote: Remote, another_store: Callable[[str], Store]
) -> None:
    name = f"{remote.name}:v1"
    _big(store, name)
    (pushed,) = push(store.images, name, PushOrder())
    assert pushed.digest == store.images.get(name).descriptor.digest
    other = another_store("other")
    pull(other.images, other.layers, name, PullOrder())
    assert other.images.get(name).id == store.images.get(name).id


def test_pushing_again_sends_nothing(store: Store, remote: Remote, wire: Cable) -> None:
    name = f"{wire.host}/{remote.reference.repository}:v1"
    _big(store, name)
    push(store.images, name, PushOrder())
    before = wire.moved["up"]
    told: list[Event] = []
    (pushed,) = push(store.images, name, PushOrder(), told.append)
    assert pushed.sent_bytes == 0
    assert wire.moved["up"] - before < 3000
    assert _told("pushed", told) == []


def test_only_a_new_tag_is_sent_for_what_is_there(store: Store, remote: Remote) -> None:
    _big(store, f"{remote.name}:v1")
    push(store.images, f"{remote.name}:v1", PushOrder())
    store.images.tag(f"{remote.name}:v1", f"{remote.name}:v2")
    (pushed,) = push(store.images, f"{remote.name}:v2", PushOrder())
    assert pushed.sent_bytes == pushed.size
    assert sorted(remote.tags()) == ["v1", "v2"]


def test_blobs_are_taken_over_from_another_repository(store: Store, remote: Remote) -> None:
    first, second = f"{remote.name}:v1", f"{remote.name}/copy:v1"
    layer = _big(store, first)
    push(store.images, first, PushOrder())
    store.images.tag(first, second)
    told: list[Event] = []
    (pushed,) = push(store.images, second, PushOrder(), told.append)
    assert pushed.sent_bytes == pushed.size
    assert layer in _told("mounted", told)


def test_a_repository_that_has_not_what_the_store_believes_is_no_obstacle(
    store: Store, remote: Remote
) -> None:
    first, second = f"{remote.name}/never-pushed:v1", f"{remote.name}:v1"
    layer = _big(store, first)
    store.images.tag(first, second)
    told: list[Event] = []
    push(store.images, second, PushOrder(), told.append)
    assert layer in _told("pushed", told)


def test_all_tags_of_the_store_are_pushed(store: Store, remote: Remote) -> None:
    for number in range(3):
        pictures.put(store.images, f"{remote.name}:v{number}", f"content {number}")
    pushed = push(store.images, remote.name, PushOrder(all_tags=True))
    assert len(pushed) == 3
    assert sorted(remote.tags()) == ["v0", "v1", "v2"]


def test_an_index_goes_whole(store: Store, remote: Remote) -> None:
    name = f"{remote.name}:v1"
    with store.images.blobs.lease():
        store.images.put(name, pictures.write_index(store.images, ["linux/amd64", "linux/arm64"]))
    (pushed,) = push(store.images, name, PushOrder())
    assert remote.manifest("v1").descriptor.digest == pushed.digest
    (one,) = push(store.images, name, PushOrder(platforms=platforms.read("linux/arm64")))
    assert one.digest == store.images.get(name, "linux/arm64").manifest_digest


def test_of_an_index_that_is_not_whole_the_image_is_pushed(store: Store, remote: Remote) -> None:
    layers = {"linux/amd64": [layer_of("a", b"a")], "linux/arm64": [layer_of("b", b"b")]}
    sent = send_index(remote, "v1", layers)
    name = f"{remote.name}:v1"
    pull(store.images, store.layers, name, PullOrder(platforms=platforms.read("linux/amd64")))
    store.images.tag(name, f"{remote.name}/copy:v1")
    told: list[Event] = []
    (pushed,) = push(store.images, f"{remote.name}/copy:v1", PushOrder(), told.append)
    assert pushed.digest == sent["linux/amd64"].root.digest
    assert [event for event in told if isinstance(event, Note)]


def test_a_blob_that_is_damaged_in_the_store_is_not_sent(store: Store, remote: Remote) -> None:
    name = f"{remote.name}:v1"
    layer = _big(store, name)
    path = store.images.blobs.path(layer)
    damaged = bytearray(path.read_bytes())
    damaged[_BIG // 2] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(errors.DigestMismatch, match="damaged in the store"):
        push(store.images, name, PushOrder())
    assert remote.head("v1") is None


def test_what_is_not_in_the_store_cannot_be_pushed(store: Store, remote: Remote) -> None:
    with pytest.raises(errors.NotFound):
        push(store.images, f"{remote.name}:v1", PushOrder())
    with pytest.raises(errors.NotFound):
        push(store.images, remote.name, PushOrder(all_tags=True))
    with pytest.raises(errors.InvalidInput):
        push(store.images, f"{remote.name}@sha256:{'0' * 64}", PushOrder())


def test_an_upload_that_breaks_off_is_taken_up_again(store: Store, remote: Remote, wire: Cable) -> None:
    name = f"{wire.host}/{remote.reference.repository}:v1"
    layer = _big(store, name)
    wire.cut_after(up=1 << 20, times=2)
    push(store.images, name, PushOrder())
    assert wire.cuts == 2
    size = store.images.blobs.size(layer)
    with remote.blob(store.images.get(name).layers[1]) as download:
        assert sum(len(piece) for piece in iter(lambda: download.read(1 << 20), b"")) == size


def test_a_registry_that_always_breaks_off_is_given_up(store: Store, remote: Remote, wire: Cable) -> None:
    name = f"{wire.host}/{remote.reference.repository}:v1"
    _big(store, name)
    wire.cut_after(up=1 << 20, times=1000)
    with pytest.raises(errors.Unavailable):
        push(store.images, name, PushOrder())
    assert remote.head("v1") is None


def test_a_pulled_image_goes_to_another_repository_as_it_is(store: Store, remote: Remote) -> None:
    sent = send(remote, "v1", [layer_of("file", noise(1000))])
    pull(store.images, store.layers, f"{remote.name}:v1", PullOrder())
    store.images.tag(f"{remote.name}:v1", f"{remote.name}/copy:v1")
    (pushed,) = push(store.images, f"{remote.name}/copy:v1", PushOrder())
    assert pushed.digest == sent.root.digest
