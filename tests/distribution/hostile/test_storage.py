"""Section 6: what somebody has planted or changed in the storage behind the server's back."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from containerlab.oci import digest as digests
from tests.distribution.wire import Client, Repository
from tests.registries import Registry

pytestmark = pytest.mark.slow

_JSON = {"Content-Type": "application/json"}
SECRET = b"what lies outside of the store"


def _blob(registry: Registry, digest: str) -> Path:
    return registry.storage / "oci" / "blobs" / digest.replace(":", "/")


def _link(path: Path, outside: Path) -> None:
    path.symlink_to(outside)


def _hard_link(path: Path, outside: Path) -> None:
    os.link(outside, path)


def _fifo(path: Path, outside: Path) -> None:
    os.mkfifo(path)


def _directory(path: Path, outside: Path) -> None:
    path.mkdir()


def _device(path: Path, outside: Path) -> None:
    os.mknod(path, 0o600 | 0o020000, os.makedev(1, 5))  # /dev/zero


PLANTS = [_link, _fifo, _directory, pytest.param(_device, marks=pytest.mark.root)]
Plant = Callable[[Path, Path], None]


@pytest.mark.parametrize("plant", [*PLANTS, _hard_link])
def test_what_lies_where_a_blob_was_is_not_served(
    registry: Registry, repository: Repository, tmp_path: Path, plant: Plant
) -> None:
    data = b"once a blob " + str(plant).encode()
    digest = repository.push_blob(data)
    outside = registry.storage.parent / f"outside-{digest[-8:]}"
    outside.write_bytes(SECRET)
    path = _blob(registry, digest)
    path.unlink()
    plant(path, outside)
    try:
        answer = repository("GET", f"blobs/{digest}")
        assert SECRET not in answer.body
        assert answer.status in (404, 200)
        assert answer.status == 404 or not answer.body
        assert digest in registry.log.read_text() or answer.status == 404
        # What comes again heals it, and is never written through what lies there.
        again = repository.finish(repository.start(), digest, data)
        assert again.status in (201, 404, 409, 503)
        assert outside.read_bytes() == SECRET
        if again.status == 201 and plant is not _directory:
            assert repository("GET", f"blobs/{digest}").body == data
    finally:
        if path.is_dir() and not path.is_symlink():
            path.rmdir()
        else:
            path.unlink(missing_ok=True)
        outside.unlink()


@pytest.mark.parametrize("plant", PLANTS)
def test_what_lies_where_an_upload_was_is_not_written_through(
    registry: Registry, client: Client, repository: Repository, plant: Plant
) -> None:
    location = repository.start()
    assert client("PATCH", location, body=b"x" * 100).status == 202
    outside = registry.storage.parent / "outside-upload"
    outside.write_bytes(SECRET)
    replaced = [path for path in (registry.storage / "registry").rglob("*") if path.stat().st_size == 100]
    assert replaced
    for path in replaced:
        path.unlink()
        plant(path, outside)
    try:
        answer = client("PATCH", location, body=b"y" * 100)
        assert answer.status in (202, 400, 404, 409, 416)
        digest = digests.of(SECRET)
        repository.finish(location, digest)
        assert repository("HEAD", f"blobs/{digest}").status == 404
        assert outside.read_bytes() == SECRET
    finally:
        for path in replaced:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        outside.unlink()


def test_a_blob_that_has_rotted_is_found_and_healed(registry: Registry, repository: Repository) -> None:
    data = b"a blob whose bits will rot" * 100
    digest = repository.push_blob(data)
    path = _blob(registry, digest)
    path.chmod(0o600)
    path.write_bytes(data.replace(b"rot", b"rut"))
    found = repository.client("POST", "/api/v1/garbage/verify", body=b"{}", headers=_JSON)
    assert found.status == 200
    assert digest in [line["digest"] for line in map(json.loads, found.body.splitlines()) if "digest" in line]
    assert repository.finish(repository.start(), digest, data).status == 201
    assert repository("GET", f"blobs/{digest}").body == data


def test_a_blob_that_is_shorter_is_not_served_as_whole(registry: Registry, repository: Repository) -> None:
    data = b"a blob that loses its end" * 100
    digest = repository.push_blob(data)
    with _blob(registry, digest).open("r+b") as file:
        file.truncate(100)
    answer = repository("GET", f"blobs/{digest}")
    assert answer.status in (404, 409), answer
    assert repository.finish(repository.start(), digest, data).status == 201
    assert repository("GET", f"blobs/{digest}").body == data


def test_secrets_are_for_the_server_alone(registry: Registry) -> None:
    private = registry.storage / "registry"
    assert private.stat().st_mode & 0o077 == 0
    for path in private.rglob("*"):
        assert path.stat().st_mode & 0o077 == 0 or path.parent.stat().st_mode & 0o077 == 0, path
