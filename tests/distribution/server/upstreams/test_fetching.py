"""What a pull-through cache gives of a blob while it comes: whom the upstream would give it, asked once."""

from __future__ import annotations

import contextlib
import io
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from containerlab.distribution.api.upstreams import UpstreamPolicy
from containerlab.distribution.server.problems import BlobUnknown
from containerlab.distribution.server.registry import Registry, Settings
from containerlab.distribution.server.rights import SYSTEM
from containerlab.distribution.server.upstreams import fetching, mirroring, upstreams
from containerlab.distribution.server.upstreams.fetching import Arrival
from containerlab.oci import image as documents
from containerlab.oci.image import Descriptor
from tests.distribution.server.receivers import wait_until
from tests.distribution.server.upstream_server import Upstream, upstream
from tests.image_layouts import Layout


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    registry = Registry(Settings(storage=str(tmp_path / "home"), allows_private_targets=True))
    with contextlib.closing(registry):
        yield registry


@pytest.fixture
def layout(base: Path) -> Layout:
    return Layout(base / "fetching-layout")


@pytest.fixture
def image(layout: Layout) -> Descriptor:
    return layout.image(layers=1, size=1_000_000)


@pytest.fixture
def there(layout: Layout, image: Descriptor) -> Iterator[Upstream]:
    with upstream(layout, "1", image) as found:
        yield found


@pytest.fixture
def layer(layout: Layout, image: Descriptor) -> Descriptor:
    manifest = documents.decode_document(layout.read(image.digest))
    assert isinstance(manifest, documents.Manifest)
    return manifest.layers[0]


@pytest.fixture
def name(registry: Registry, there: Upstream) -> str:
    """Return a repository that has the image's manifest, and none of its blobs."""
    upstreams.create(registry, SYSTEM, UpstreamPolicy(prefix="hub", registry=there.host))
    served = upstreams.serving(registry, "hub/a")
    assert served
    mirroring.refresh(registry, SYSTEM, served, "hub/a", "1")
    return "hub/a"


def find(registry: Registry, name: str, layer: Descriptor) -> Arrival:
    found = fetching.find(registry, SYSTEM, name, layer.digest)
    assert found
    return found


def test_who_looked_before_a_download_and_starts_after_it_asks_no_more(
    registry: Registry, there: Upstream, layer: Descriptor, name: str
) -> None:
    late = find(registry, name, layer)
    with contextlib.closing(find(registry, name, layer)) as first:
        first.start()
        wait_until(first.is_complete)
    with contextlib.closing(late):
        late.start()
        assert late.is_complete()
    assert there.count(f"GET /v2/a/blobs/{layer.digest}") == 1


def test_nobody_joins_anothers_download_without_asking_the_upstream(
    registry: Registry, there: Upstream, layer: Descriptor, name: str
) -> None:
    """Another's that waits for its turn, and so has no file yet."""
    end = threading.Event()
    registry.upstream_state.begin(layer.digest, "private/app", end.wait)
    there.blobs = "missing"
    try:
        with contextlib.closing(find(registry, name, layer)) as arrival, pytest.raises(BlobUnknown):
            arrival.start()
    finally:
        end.set()


def test_blob_that_others_pushed_during_a_download_is_not_given_before_the_upstream_does(
    registry: Registry, layout: Layout, there: Upstream, layer: Descriptor, name: str
) -> None:
    there.blobs = "hang"
    there.gate.clear()
    with contextlib.closing(find(registry, name, layer)) as arrival:
        arrival.start()
        wait_until(lambda: there.count(f"GET /v2/a/blobs/{layer.digest}"))
        registry.blobs.copy(io.BytesIO(layout.read(layer.digest)), layer)
        assert arrival.read(0, 1000) is None
        assert not arrival.is_complete()
        there.blobs = ""
        there.gate.set()
        wait_until(arrival.is_complete)
        assert arrival.read(0, 1000) == layout.read(layer.digest)[:1000]
