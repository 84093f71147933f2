"""Volumes: named, filled from an image once, removed when nobody has them."""

from __future__ import annotations

import os

import pytest

from containerlab.errors import AlreadyExists, Conflict, CorruptContent, InvalidInput, NotFound
from containerlab.store.home import Home
from containerlab.store.volumes import Volumes
from tests.store.test_layers import perform
from tests.users import User


@pytest.fixture
def volumes(home: Home) -> Volumes:
    return Volumes(home)


def unused(_: str) -> list[str]:
    return []


def test_a_volume_is_made_found_and_removed(home: Home, volumes: Volumes) -> None:
    volumes.create("data", {"a": "b"})
    assert volumes.get("data").labels == {"a": "b"}
    assert volumes.ensure("data") == volumes.path("data") == home.volumes / "data/_data"
    volumes.ensure("other")
    (volumes.path("other") / "x").write_bytes(b"x" * 10_000)
    assert volumes.sizes(["other"])["other"] >= 10_000
    assert [volume.name for volume in volumes.list()] == ["data", "other"]
    volumes.remove("data", unused)
    assert [volume.name for volume in volumes.list()] == ["other"]
    assert not os.listdir(home.temporary)


def test_a_name_is_taken_once(volumes: Volumes) -> None:
    volumes.create("data")
    with pytest.raises(AlreadyExists, match="data"):
        volumes.create("data")


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", "-x", "a b", "x" * 300, "a\n", "ä"])
def test_a_wrong_name_is_refused(volumes: Volumes, name: str) -> None:
    with pytest.raises(InvalidInput, match="name of a volume"):
        volumes.ensure(name)


def test_a_missing_volume_has_a_nearest_name(volumes: Volumes) -> None:
    volumes.create("database")
    with pytest.raises(NotFound, match="did you mean database"):
        volumes.remove("databse", unused)


def test_a_volume_in_use_stays(home: Home, volumes: Volumes) -> None:
    volumes.create("used")
    volumes.create("free")
    with pytest.raises(Conflict, match="in use by c1"):
        volumes.remove("used", lambda _: ["c1"])
    assert volumes.prune(lambda name: ["c1"] if name == "used" else []) == ("free",)
    assert os.listdir(home.volumes) == ["used"]


def test_a_damaged_document_is_said(home: Home, volumes: Volumes) -> None:
    volumes.create("data")
    (home.volumes / "data/volume.json").write_bytes(b"{")
    with pytest.raises(CorruptContent, match=r"volume\.json"):
        volumes.get("data")


def test_an_empty_volume_is_filled_from_the_image_once(anyone: User) -> None:
    perform(
        anyone,
        r"""
volumes = Volumes(home, idmap)
lowers = layers.ensure(image(
    layer(member("srv"), member("srv/data"), member("srv/data/x", b"lower"), member("srv/data/gone", b"")),
    layer(member("srv/data", mode=0o750), member("srv/data/.wh.gone", b""), member("srv/data/x", b"upper"),
          member("link", link="srv")),
))
path = volumes.ensure("v")
volumes.fill("v", lowers, "/missing", idmap)
assert not os.listdir(path)
volumes.fill("v", lowers, "/link/data", idmap)
assert os.listdir(path) == ["x"] and (path / "x").read_text() == "upper"
assert path.stat().st_mode & 0o777 == 0o750
(path / "x").unlink()
(path / "mine").touch()
volumes.fill("v", lowers, "/srv/data", idmap)
assert os.listdir(path) == ["mine"]
(path.parent / "filling").touch()  # a process was killed while it copied
volumes.fill("v", lowers, "/srv/data", idmap)
assert sorted(os.listdir(path)) == ["mine", "x"] and os.listdir(path.parent) != []
assert not (path.parent / "filling").exists()
volumes.remove("v", lambda name: [])
assert not os.listdir(home.volumes)
""",
    )
