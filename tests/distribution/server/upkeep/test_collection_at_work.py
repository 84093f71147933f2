"""Pushes to a server of two processes, while it collects and applies retention over and over."""

from __future__ import annotations

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from containerlab.distribution.api.client import Client as ApiClient
from containerlab.distribution.api.registry_api import RegistryApi
from containerlab.oci import digest as digests
from tests.distribution import documents
from tests.distribution.api.serving import Direct
from tests.distribution.documents import OCI_MANIFEST
from tests.distribution.wire import Repository, connected
from tests.registries import Registry, ours

LAYERS = [bytes([number]) * 20_000 for number in range(8)]
CLIENTS, TURNS = 5, 8


def _push(repository: Repository, tag: str, layers: tuple[bytes, ...]) -> bytes:
    """Push as clients do: what is there already, they do not send."""
    for blob in (b"{}", *layers):
        if repository("HEAD", f"blobs/{digests.of(blob)}").status != 200:
            repository.push_blob(blob)
    raw = documents.image(b"{}", layers)
    answer = repository.put(tag, raw, OCI_MANIFEST)
    assert answer.status == 201, answer
    return raw


def _client(server: Registry, number: int, user: tuple[str, str]) -> None:
    chance = random.Random(number)
    with connected(server, user) as client:
        for _ in range(TURNS):
            repository = client.repository(chance.choice(["lab/a", "lab/b"]))
            raw = _push(repository, f"t{number}", tuple(chance.sample(LAYERS, 3)))
            if chance.random() < 0.7:  # retention or another client may have been faster
                assert repository("DELETE", f"manifests/{digests.of(raw)}").status in (202, 404)


@pytest.mark.slow
def test_no_push_is_refused_or_loses_anything(tmp_path: Path) -> None:
    with ours(tmp_path, auth="basic", workers=2) as server:
        port = int(server.host.rpartition(":")[2])
        api = RegistryApi(ApiClient(Direct(port, server.user, server.password)))
        api.organizations.create("lab")
        users = [(f"user{number}", f"the password of {number}") for number in range(CLIENTS)]
        for name, password in users:
            api.users.create(name, password)
            api.rights.grant(name, "lab/", "manage")
        api.retention.set("lab/", keep_last=2)
        over = threading.Event()

        def keep_house() -> int:
            count = 0
            while not over.is_set():
                api.garbage.collect(untagged=True)
                api.retention.run("lab/")
                count += 1
            return count

        with ThreadPoolExecutor(CLIENTS + 2) as pool:
            keeping = [pool.submit(keep_house) for _ in range(2)]
            try:
                for each in [pool.submit(_client, server, number, user) for number, user in enumerate(users)]:
                    each.result()
            finally:
                over.set()
            assert all(each.result() for each in keeping)
        assert {each.problem for each in api.garbage.verify()} == {""}
        _read_all(server)


def _read_all(server: Registry) -> None:
    """Read every image that is left, whole."""
    with connected(server) as client:
        for name in ("lab/a", "lab/b"):
            repository = client.repository(name)
            for tag in repository.tags():
                manifest = repository("GET", f"manifests/{tag}").json
                for part in (manifest["config"], *manifest["layers"]):
                    found = repository("GET", f"blobs/{part['digest']}")
                    assert (found.status, digests.of(found.body)) == (200, part["digest"])
