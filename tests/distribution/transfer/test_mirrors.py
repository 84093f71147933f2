"""Mirrors: what they have is taken from them, and the registry itself stands behind them."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from containerlab.distribution.remote import Remote
from containerlab.distribution.transfer.pull import PullOrder, pull
from tests import registries
from tests.distribution.artifacts import noise
from tests.distribution.peers import CUT, Peer, Request, respond
from tests.distribution.transfer.cable import Cable
from tests.distribution.transfer.conftest import Store
from tests.distribution.transfer.sent import Sent, layer_of, send

_BIG = 3 << 20


@pytest.fixture
def mirrored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, registry: registries.Registry
) -> Callable[[str], None]:
    """Give what sets up a mirror of the registry."""

    def set_up(host: str) -> None:
        conf = tmp_path / "registries.conf"
        conf.write_text(
            f'[[registry]]\nlocation = "{registry.host}"\n'
            f'[[registry.mirror]]\nlocation = "{host}"\ninsecure = true\n'
        )
        monkeypatch.setenv("CONTAINERS_REGISTRIES_CONF", str(conf))

    return set_up


@pytest.fixture
def sent(remote: Remote) -> Sent:
    return send(remote, "v1", [layer_of("big", noise(_BIG)), layer_of("small", b"small")])


def _pull(store: Store, remote: Remote, sent: Sent) -> None:
    (found,) = pull(store.images, store.layers, f"{remote.name}:v1", PullOrder())
    assert found.digest == sent.root.digest
    assert store.layers.path(sent.diff_ids[0]).joinpath("big").read_bytes() == noise(_BIG)


def test_blobs_come_from_the_mirror(
    store: Store, remote: Remote, sent: Sent, wire: Cable, mirrored: Callable[[str], None]
) -> None:
    mirrored(wire.host)
    _pull(store, remote, sent)
    assert wire.moved["down"] > sent.layer_bytes


def test_a_mirror_that_is_not_there_is_passed_over(
    store: Store, remote: Remote, sent: Sent, mirrored: Callable[[str], None]
) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        mirrored(f"localhost:{nobody.getsockname()[1]}")
        _pull(store, remote, sent)


def test_a_mirror_that_breaks_off_again_and_again_is_left(
    store: Store, remote: Remote, sent: Sent, wire: Cable, mirrored: Callable[[str], None]
) -> None:
    wire.cut_after(down=1, times=1000)
    mirrored(wire.host)
    _pull(store, remote, sent)
    assert wire.cuts > 1


@pytest.mark.parametrize("kind", ["wrong", "longer", "none", "cut"])
def test_a_mirror_that_has_it_wrong_is_not_believed(
    store: Store, remote: Remote, sent: Sent, mirrored: Callable[[str], None], kind: str
) -> None:
    manifest = remote.manifest("v1")

    def answer(request: Request) -> bytes:
        if "/manifests/" in request.path:
            return respond(200, manifest.raw, {"Content-Type": manifest.descriptor.media_type})
        layer = next((each for each in sent.layers if each.digest in request.path), None)
        if layer is None or kind == "none":
            return respond(404)
        return {
            "wrong": respond(200, noise(layer.size, 9)),
            "longer": respond(200, noise(layer.size + 1)),
        }.get(kind, CUT)

    with Peer(answer) as peer:
        mirrored(peer.host)
        _pull(store, remote, sent)
        assert any("/blobs/" in request.path for request in peer.requests)
    assert store.rest() == []


def test_a_page_that_is_no_manifest_is_passed_over(
    store: Store, remote: Remote, sent: Sent, mirrored: Callable[[str], None]
) -> None:
    """As proxies and networks that want a login answer whatever they are asked."""
    with Peer(lambda request: respond(200, b"<html>", {"Content-Type": "text/html"})) as peer:
        mirrored(peer.host)
        _pull(store, remote, sent)
        assert peer.requests
