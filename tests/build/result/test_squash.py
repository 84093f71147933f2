"""`build --squash`: what the new layers delete of each other is in no blob."""

from __future__ import annotations

from containerlab.build.result.export import to_store
from containerlab.build.result.squash import squash
from containerlab.store import tar_write as tar
from containerlab.store.compression import opened
from containerlab.store.images import Images
from tests.build import made
from tests.store.tars import archive, entry

SECRET = b"hunter2-and-more"
BASE = archive(entry("etc/", tar.DIRECTORY), entry("etc/base", content=b"base"))
LEAK = archive(entry("key", content=SECRET))
DELETED = archive(entry(".wh.key"), entry("etc/.wh.base"), entry("app", content=b"app"))


def contents(images: Images, name: str) -> list[bytes]:
    found = []
    for layer in images.get(name).layers:
        with images.blobs.open(layer) as blob:
            found.append(opened(blob).read())
    return found


def test_new_layers_become_one(images: Images) -> None:
    layers = [made.layer(images, each) for each in (BASE, LEAK, DELETED)]
    built = squash(images.blobs, made.built(*layers, base_layers=1))
    to_store(images, [built], ["a"])
    base, new = contents(images, "a")
    assert images.get("a").layers[0] == layers[0].descriptor
    assert base == BASE
    assert SECRET not in new
    assert b"etc/.wh.base" in new
    assert b"app" in new
    assert sum(not line.empty_layer for line in built.config.history) == 2


def test_without_a_base_all_becomes_one(images: Images) -> None:
    layers = [made.layer(images, each) for each in (BASE, LEAK, DELETED)]
    to_store(images, [squash(images.blobs, made.built(*layers))], ["a"])
    (whole,) = contents(images, "a")
    assert SECRET not in whole
    assert b"etc/base" not in whole
    assert b".wh." not in whole


def test_one_new_layer_stays_as_it_is(images: Images) -> None:
    built = made.built(made.layer(images, BASE), made.layer(images, DELETED), base_layers=1)
    assert squash(images.blobs, built) == built
