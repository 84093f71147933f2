"""Servers on one home agree at any time, and one takes over what another leaves."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from containerlab.oci import digest as digests
from tests import registries
from tests.distribution import documents, wire

DATA = os.urandom(1 << 20)


@pytest.fixture(scope="module")
def servers(base: Path) -> Iterator[list[wire.Client]]:
    """Yield clients of two servers on one home, the second of which has two workers."""
    folder = base / "several"
    with (
        registries.ours(folder, auth="none") as first,
        registries.ours(folder, auth="none", workers=2) as second,
        wire.connected(first) as one,
        wire.connected(second) as other,
    ):
        yield [one, other]


def test_what_one_changes_the_other_says_at_once(servers: list[wire.Client]) -> None:
    """What each remembers of the database is never older than the database."""
    one, other = (client.repository("lab/base") for client in servers)
    one.push_blob(documents.EMPTY)
    for number in range(30):
        raw = documents.image(annotations={"number": f"{number}"})
        writer, reader = (one, other) if number % 2 else (other, one)
        assert writer.put("latest", raw, documents.OCI_MANIFEST).status == 201
        for _ in range(3):  # whichever worker it is
            assert reader("GET", "manifests/latest").body == raw
            reader.client.close()
        assert reader("DELETE", "manifests/latest").status == 202
        assert writer("GET", "manifests/latest").status == 404
        assert writer("GET", f"manifests/{digests.of(raw)}").status == 200


def test_an_upload_goes_on_wherever_it_is_gone_on_with(servers: list[wire.Client]) -> None:
    one, other = (client.repository("lab/uploads") for client in servers)
    location = one.start()
    for number in range(8):
        place = (one, other)[number % 2]
        first, last = number << 17, ((number + 1) << 17) - 1
        headers = {"Content-Range": f"{first}-{last}"}
        answer = place.client("PATCH", location, body=DATA[first : last + 1], headers=headers)
        assert (answer.status, answer["Range"]) == (202, f"0-{last}")
        place.client.close()
    assert other.client("PUT", f"{location}?digest={digests.of(DATA)}").status == 201
    assert one("GET", f"blobs/{digests.of(DATA)}").body == DATA


def test_one_blob_that_all_push_at_once_is_there_once(servers: list[wire.Client]) -> None:
    data = os.urandom(3 << 20)

    def push(number: int) -> int:
        with wire.connected(servers[number % 2].registry) as client:
            repository = client.repository(f"lab/at-once-{number % 3}")
            answer = repository.client("PUT", f"{repository.start()}?digest={digests.of(data)}", body=data)
            return answer.status

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(push, range(16))) == {201}
    for number in range(3):
        repository = servers[0].repository(f"lab/at-once-{number}")
        assert repository("GET", f"blobs/{digests.of(data)}").body == data


def test_an_upload_outlives_its_server(tmp_path: Path) -> None:
    with registries.ours(tmp_path, auth="basic") as first, wire.connected(first) as client:
        location = client.repository("lab/base").start()
        assert client("PATCH", location, body=DATA[:300_000]).status == 202
        first.process.kill()
        first.process.wait()
    with registries.ours(tmp_path, auth="basic") as second, wire.connected(second) as client:
        assert client("GET", location)["Range"] == "0-299999"
        headers = {"Content-Range": f"300000-{len(DATA) - 1}"}
        assert client("PATCH", location, body=DATA[300_000:], headers=headers).status == 202
        assert client("PUT", f"{location}?digest={digests.of(DATA)}").status == 201
        assert client.repository("lab/base")("GET", f"blobs/{digests.of(DATA)}").body == DATA


def test_pulls_are_counted_together_and_when_the_server_ends(tmp_path: Path) -> None:
    with registries.ours(tmp_path, auth="none") as registry, wire.connected(registry) as client:
        repository = client.repository("lab/base")
        repository.push_blob(documents.EMPTY)
        raw = documents.image()
        repository.put("latest", raw, documents.OCI_MANIFEST)
        for _ in range(7):
            repository("GET", "manifests/latest")
        repository("HEAD", "manifests/latest")
    with sqlite3.connect(registry.storage / "registry" / "registry.db") as database:
        assert database.execute("SELECT pulls FROM manifests").fetchall() == [(7,)]
        told = database.execute("SELECT tag, digest, detail FROM events WHERE kind = 'pull'").fetchall()
        assert {(tag, digest) for tag, digest, _ in told} == {("latest", digests.of(raw))}
    database.close()


def test_ten_thousand_tags_are_no_matter(tmp_path: Path) -> None:
    with registries.ours(tmp_path, auth="none") as registry, wire.connected(registry) as client:
        repository = client.repository("lab/base")
        repository.push_blob(documents.EMPTY)
        repository.put("latest", documents.image(), documents.OCI_MANIFEST)
    with sqlite3.connect(registry.storage / "registry" / "registry.db") as database:
        (found,) = database.execute("SELECT digest FROM manifests").fetchone()
        rows = ((f"tag-{number:05}", found) for number in range(10_500))
        database.executemany("INSERT INTO tags SELECT 1, ?, ?, 0", rows)
    database.close()
    with registries.ours(tmp_path, auth="none") as registry, wire.connected(registry) as client:
        names, path = [], "/v2/lab/base/tags/list"
        while path:
            answer = client("GET", path)
            names += answer.json["tags"]
            path = (answer["Link"] or "").partition(">")[0].removeprefix("<")
        assert len(names) == len(set(names)) == 10_501
        assert client("GET", "/v2/lab/base/manifests/tag-07777").status == 200
