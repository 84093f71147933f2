"""Registries that lie: nothing wrong comes into the store, and the error says what is wrong."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from typing import Any

import pytest

from containerlab import errors
from containerlab.distribution.remote import Remote
from containerlab.distribution.transfer.pull import PullOrder, pull
from containerlab.oci import digest as digests
from containerlab.oci import image as documents
from containerlab.oci.reference import Reference
from tests.distribution.artifacts import noise
from tests.distribution.peers import Peer, Request, respond
from tests.distribution.transfer.conftest import Store
from tests.distribution.transfer.sent import layer_of

_PLAIN = layer_of("file", noise(100_000))
_PACKED = gzip.compress(_PLAIN, 1, mtime=0)


class Liar:
    """A registry of one image, whose words can be changed before it says them."""

    def __init__(self) -> None:
        self.config: dict[str, Any] = {
            "architecture": "amd64",
            "os": "linux",
            "rootfs": {"type": "layers", "diff_ids": [digests.of(_PLAIN)]},
        }
        self.layers = [self.describe(_PACKED, documents.OCI_LAYER_GZIP)]
        self.blobs = {digests.of(_PACKED): _PACKED}
        self.manifest: bytes = b""
        self.headers: dict[str, str] = {}
        self.media_type = documents.OCI_MANIFEST
        self.make()

    @staticmethod
    def describe(data: bytes, media_type: str, **changed: object) -> dict[str, object]:
        return {"mediaType": media_type, "digest": digests.of(data), "size": len(data), **changed}

    def make(self, **changed: object) -> None:
        """Write configuration and manifest anew."""
        config = json.dumps(self.config).encode()
        self.blobs[digests.of(config)] = config
        document = {
            "schemaVersion": 2,
            "mediaType": documents.OCI_MANIFEST,
            "config": self.describe(config, documents.OCI_CONFIG),
            "layers": self.layers,
            **changed,
        }
        self.manifest = json.dumps(document).encode()

    def __call__(self, request: Request) -> bytes:
        kind, _, name = request.path.removeprefix("/v2/app/").partition("/")
        if kind == "manifests":
            return respond(200, self.manifest, {"Content-Type": self.media_type, **self.headers})
        if kind == "blobs" and name in self.blobs:
            return respond(200, self.blobs[name])
        return respond(404)


def _wrong_bytes(liar: Liar) -> None:
    liar.blobs[digests.of(_PACKED)] = gzip.compress(layer_of("file", noise(100_000, 1)), 1, mtime=0)


def _no_archive(liar: Liar) -> None:
    liar.blobs[digests.of(_PACKED)] = noise(len(_PACKED))


def _longer(liar: Liar) -> None:
    liar.blobs[digests.of(_PACKED)] = _PACKED + b"more"


def _shorter(liar: Liar) -> None:
    liar.blobs[digests.of(_PACKED)] = _PACKED[:-10]


def _larger_on_paper(liar: Liar) -> None:
    liar.layers = [liar.describe(_PACKED, documents.OCI_LAYER_GZIP, size=len(_PACKED) + 1)]
    liar.make()


def _no_gzip(liar: Liar) -> None:
    """An honest digest of something that is no layer."""
    data = noise(100_000)
    liar.blobs[digests.of(data)] = data
    liar.layers = [liar.describe(data, documents.OCI_LAYER_GZIP)]
    liar.make()


def _another_diff_id(liar: Liar) -> None:
    liar.config["rootfs"]["diff_ids"] = [digests.of(b"something else")]
    liar.make()


def _too_many_diff_ids(liar: Liar) -> None:
    liar.config["rootfs"]["diff_ids"] *= 2
    liar.make()


def _says_another_digest(liar: Liar) -> None:
    liar.headers["Docker-Content-Digest"] = digests.of(b"another")


def _calls_it_an_index(liar: Liar) -> None:
    liar.media_type = documents.OCI_INDEX


def _two_meanings(liar: Liar) -> None:
    """CVE-2021-41190."""
    liar.make(manifests=[])


def _no_json(liar: Liar) -> None:
    liar.manifest = b"\x00\xff"


def _endless(liar: Liar) -> None:
    liar.manifest = b" " * (5 << 20)


def _deep(liar: Liar) -> None:
    liar.manifest = b"[" * 100_000


def _huge_config(liar: Liar) -> None:
    liar.make(config=liar.describe(b"", documents.OCI_CONFIG, size=1 << 40))


def _negative_size(liar: Liar) -> None:
    liar.make(layers=[liar.describe(_PACKED, documents.OCI_LAYER_GZIP, size=-1)])


def _digest_that_is_a_path(liar: Liar) -> None:
    liar.make(layers=[liar.describe(_PACKED, documents.OCI_LAYER_GZIP, digest="sha256:../../x")])


def _encrypted(liar: Liar) -> None:
    liar.make(layers=[liar.describe(_PACKED, f"{documents.OCI_LAYER_GZIP}+encrypted")])


def _missing_blob(liar: Liar) -> None:
    del liar.blobs[digests.of(_PACKED)]


def _escape(liar: Liar) -> None:
    """An archive that leads out of its layer."""
    plain = layer_of("../../../outside", b"x")
    packed = gzip.compress(plain, 1, mtime=0)
    liar.blobs[digests.of(packed)] = packed
    liar.layers = [liar.describe(packed, documents.OCI_LAYER_GZIP)]
    liar.config["rootfs"]["diff_ids"] = [digests.of(plain)]
    liar.make()


_LIES: list[tuple[Callable[[Liar], None], type[errors.LabError]]] = [
    (_wrong_bytes, errors.CorruptContent),
    (_no_archive, errors.CorruptContent),
    (_longer, errors.DigestMismatch),
    (_shorter, errors.DigestMismatch),
    (_larger_on_paper, errors.DigestMismatch),
    (_no_gzip, errors.CorruptContent),
    (_another_diff_id, errors.DigestMismatch),
    (_too_many_diff_ids, errors.CorruptContent),
    (_says_another_digest, errors.DigestMismatch),
    (_calls_it_an_index, errors.CorruptContent),
    (_two_meanings, errors.CorruptContent),
    (_no_json, errors.CorruptContent),
    (_endless, errors.CorruptContent),
    (_deep, errors.CorruptContent),
    (_huge_config, errors.CorruptContent),
    (_negative_size, errors.LabError),
    (_digest_that_is_a_path, errors.LabError),
    (_encrypted, errors.Unsupported),
    (_missing_blob, errors.NotFound),
    (_escape, errors.HostileArchive),
]


@pytest.mark.parametrize(("lie", "kind"), _LIES)
def test_a_lie_comes_to_nothing(
    store: Store, lie: Callable[[Liar], None], kind: type[errors.LabError]
) -> None:
    liar = Liar()
    lie(liar)
    with Peer(liar) as peer, pytest.raises(kind):
        pull(store.images, store.layers, f"{peer.host}/app:v1", PullOrder())
    assert not store.images.list()
    assert store.rest() == []
    assert store.layers.unpacked() == set()
    for digest in store.images.blobs.digests():
        assert digests.of(store.images.blobs.path(digest).read_bytes()) == digest


def test_the_truth_is_believed(store: Store) -> None:
    with Peer(Liar()) as peer:
        pull(store.images, store.layers, f"{peer.host}/app:v1", PullOrder())
    assert len(store.images.list()) == 1


def test_a_manifest_that_is_asked_for_by_digest_must_have_it(store: Store) -> None:
    with Peer(Liar()) as peer, pytest.raises(errors.DigestMismatch):
        pull(store.images, store.layers, f"{peer.host}/app@{digests.of(b'another')}", PullOrder())


def test_pages_that_lead_in_a_circle_come_to_an_end() -> None:
    def answer(request: Request) -> bytes:
        link = {"Link": '</v2/app/tags/list?n=1&last=a>; rel="next"', "Content-Type": "application/json"}
        return respond(200, b'{"name":"app","tags":["a"]}', link)

    with Peer(answer) as peer, Remote(Reference.parse(f"{peer.host}/app")) as remote:
        assert list(remote.tags()) == ["a", "a"]


@pytest.mark.parametrize("body", [b"", b"[]", b'{"tags":3}', b"<html>"])
def test_a_list_of_tags_that_is_none_is_refused(body: bytes) -> None:
    with (
        Peer(lambda request: respond(200, body)) as peer,
        Remote(Reference.parse(f"{peer.host}/app")) as remote,
        pytest.raises(errors.CorruptContent, match="list is not valid"),
    ):
        list(remote.tags())


def test_a_repository_may_have_no_tags() -> None:
    """Go writes an empty list so."""
    with (
        Peer(lambda request: respond(200, b'{"tags":null}')) as peer,
        Remote(Reference.parse(f"{peer.host}/app")) as remote,
    ):
        assert list(remote.tags()) == []


@pytest.mark.parametrize("ranges", ["ignored", "wrong", "refused"])
def test_a_registry_that_does_odd_things_with_ranges_is_coped_with(store: Store, ranges: str) -> None:
    liar = Liar()

    def answer(request: Request) -> bytes:
        if request.headers.get("range") and ranges == "wrong":
            return respond(206, _PACKED[:-500], {"Content-Range": f"bytes 0-{len(_PACKED) - 501}/*"})
        if request.headers.get("range") and ranges == "refused":
            return respond(416)
        return liar(request)

    partial = store.home.temporary / f"partial-{digests.of(_PACKED).replace(':', '-')}"
    partial.write_bytes(_PACKED[:500])
    with Peer(answer) as peer:
        pull(store.images, store.layers, f"{peer.host}/app:v1", PullOrder())
    assert len(store.images.list()) == 1
