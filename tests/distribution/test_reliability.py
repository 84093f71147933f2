"""What was acknowledged is there, whatever happens to the server: killed, collected under, out of room."""

from __future__ import annotations

import concurrent.futures
import hashlib
import http.client
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from containerlab.oci import digest as digests
from tests import registries
from tests.containers import until
from tests.distribution import documents
from tests.distribution.wire import Client, Repository, connected
from tests.registries import Registry

pytestmark = pytest.mark.slow

FULL = pytest.mark.registry
_GONE = (OSError, http.client.HTTPException)


class Pushes:
    """Images that are pushed in all ways, and what the registry has said of them."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._lock = threading.Lock()
        self._next = 0
        self.blobs: set[tuple[str, str]] = set()
        """Repository and digest of what was acknowledged."""
        self.tags: dict[tuple[str, str], bytes] = {}
        """Repository and tag, to a manifest that was acknowledged."""
        self.data: dict[str, bytes] = {}
        self.may_be_told_to_push_again = False
        """Whether blobs may be collected before their manifest comes."""
        self._left, self._victim = 0, 0

    def kill(self, pid: int, after: int) -> None:
        """Kill a group of processes when so many more blobs and manifests have been acknowledged.

        One thread does it between two of its requests; the others are anywhere in theirs.
        """
        with self._lock:
            self._left, self._victim = after, pid

    def _acknowledge(self) -> None:
        self._left -= 1
        if self._left == 0:
            os.killpg(self._victim, signal.SIGKILL)

    def push(self, client: Client) -> None:
        """Push one more image; what does not come to its end is not acknowledged.

        Raises: ConnectionError and such when the server goes.
        """
        with self._lock:
            number, self._next = self._next, self._next + 1
        source = random.Random(f"{self._seed} {number}")
        repository = client.repository(f"lab/{'abc'[number % 3]}")
        blobs = [source.randbytes(source.choice([100, 5_000, 300_000])), b"shared %d" % (number % 7)]
        for data in blobs:
            self._push_blob(source, repository, data)
        raw = documents.image(*_split(blobs), annotations={"number": str(number)})
        tag = f"t{number % 40}"
        answer = repository.put(tag, raw, documents.OCI_MANIFEST)
        if self.may_be_told_to_push_again and answer.status == 404:
            assert answer.codes == ["MANIFEST_BLOB_UNKNOWN"]
            return
        assert answer.status == 201, answer
        with self._lock:
            self.tags[repository.name, tag] = raw
            self._acknowledge()

    def _push_blob(self, source: random.Random, repository: Repository, data: bytes) -> None:
        digest, middle = digests.of(data), source.randrange(len(data))
        self.data[digest] = data
        way = source.choice(["put", "post", "chunks", "stream"])
        if way == "post":
            answer = repository("POST", f"blobs/uploads/?digest={digest}", body=data)
        elif way == "put":
            answer = repository.finish(repository.start(), digest, data)
        else:
            location = repository.start()
            first = {"Content-Range": f"0-{middle - 1}"} if way == "chunks" and middle else {}
            part = repository.client("PATCH", location, body=data[:middle] or [], headers=first)
            assert part.status == 202, part
            answer = repository.finish(str(part["Location"]), digest, data[middle:])
        assert answer.status == 201, answer
        with self._lock:
            self.blobs.add((repository.name, digest))
            self._acknowledge()

    def check(self, client: Client) -> None:
        """Expect all that was acknowledged, byte by byte."""
        for (name, tag), raw in self.tags.items():
            found = client("GET", f"/v2/{name}/manifests/{tag}")
            assert found.status == 200, (name, tag)
            # A later push of the same tag may have come to its end without our hearing of it.
            assert found.body == raw or b'"number"' in found.body
        for name, digest in self.blobs:
            assert digests.of(client("GET", f"/v2/{name}/blobs/{digest}").body) == digest


def _split(blobs: list[bytes]) -> tuple[bytes, tuple[bytes, ...]]:
    return blobs[1], (blobs[0],)


def check_store(home: Path, *, is_all: bool = False) -> None:
    """Expect that all that the database names is on the disk, and is what its digest says.

    is_all: that nothing else is there either.
    """
    with closing(sqlite3.connect(home / "registry" / "registry.db")) as database:
        named = {
            row[0] for row in database.execute("SELECT digest FROM links UNION SELECT digest FROM manifests")
        }
        lost_tags = database.execute(
            "SELECT * FROM tags WHERE NOT EXISTS (SELECT * FROM manifests"
            " WHERE manifests.repository = tags.repository AND manifests.digest = tags.digest)"
        ).fetchall()
        lost_parts = database.execute(
            "SELECT * FROM parts WHERE kind != 'manifest' AND NOT EXISTS (SELECT * FROM links"
            " WHERE links.repository = parts.repository AND links.digest = parts.digest)"
        ).fetchall()
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert lost_tags == []
    assert lost_parts == []
    assert not is_all or _on_disk(home) == named
    for digest in named:
        assert digests.of(_blob(home, digest).read_bytes()) == digest


def _blob(home: Path, digest: str) -> Path:
    return home / "oci" / "blobs" / digest.replace(":", "/")


def _on_disk(home: Path) -> set[str]:
    return {f"sha256:{path.name}" for path in (home / "oci" / "blobs" / "sha256").iterdir()}


def _collect(home: Path) -> None:
    """Collect as users do; nothing is there but what the registry keeps."""
    words = [sys.executable, "-m", "containerlab", "--home", str(home), "system", "prune", "--all", "--force"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def _collect_without_grace(client: Client) -> None:
    """Collect by the registry's API whatever no tag needs, however young."""
    body, headers = b'{"grace_s": 0, "untagged": true}', {"Content-Type": "application/json"}
    answer = client("POST", "/api/v1/garbage/collect", body=body, headers=headers)
    assert answer.status == 200, answer


def _push_until(registry: Registry, pushes: Pushes, count: int, threads: int = 4) -> bool:
    """Push as many images as fit before the server goes; tell whether it went."""

    def work() -> bool:
        with connected(registry) as client:
            for _ in range(-(-count // threads)):
                try:
                    pushes.push(client)
                except _GONE:
                    return True
        return False

    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        ended = [pool.submit(work) for _ in range(threads)]
        return bool(sum(each.result() for each in ended))


@pytest.mark.parametrize(
    ("seed", "workers", "count", "per_round"),
    [
        (1, 1, 40, 10),
        pytest.param(2, 1, 200, 12, marks=FULL),
        pytest.param(3, 3, 200, 12, marks=FULL),
        pytest.param(4, 1, 200, 5, marks=FULL),
    ],
)
def test_kills_lose_nothing_that_was_acknowledged(
    base: Path, seed: int, workers: int, count: int, per_round: int
) -> None:
    folder, source, pushes = base / f"killed-{seed}", random.Random(seed), Pushes(seed)
    kills = 0
    for _ in range(count // per_round):
        with registries.ours(folder, auth="none", workers=workers) as registry:
            with connected(registry) as client:
                pushes.check(client)
                pushes.push(client)
            pushes.kill(registry.process.pid, source.randrange(1, 3 * per_round))
            kills += _push_until(registry, pushes, per_round)
        check_store(folder / "home")
    assert kills > count // per_round // 2
    assert pushes.tags
    with registries.ours(folder, auth="none") as registry, connected(registry) as client:
        pushes.check(client)
        _collect(folder / "home")
        pushes.check(client)
    check_store(folder / "home")
    assert not [path for path in (folder / "home" / "tmp").iterdir() if path.name.startswith("blob-")]


def test_an_upload_survives_a_kill(base: Path) -> None:
    folder, data = base / "killed-upload", os.urandom(100_000)
    with registries.ours(folder, auth="none") as registry, connected(registry) as client:
        location = client.repository("lab/a").start()
        assert client("PATCH", location, body=data[:60_000]).status == 202
        os.killpg(registry.process.pid, signal.SIGKILL)
        registry.process.wait()
    with registries.ours(folder, auth="none") as registry, connected(registry) as client:
        path = location.partition("://")[2].partition("/")[2] or location.lstrip("/")
        answer = client("GET", f"/{path}")
        assert (answer.status, answer["Range"]) == (204, "0-59999")
        ranged = {"Content-Range": "60000-99999"}
        finished = client.repository("lab/a").finish(f"/{path}", digests.of(data), data[60_000:], **ranged)
        assert finished.status == 201
        assert client("GET", f"/v2/lab/a/blobs/{digests.of(data)}").body == data


@pytest.mark.parametrize(("workers", "count"), [(1, 40), pytest.param(3, 300, marks=FULL)])
def test_a_collection_during_pushes_takes_nothing_that_is_needed(
    base: Path, workers: int, count: int
) -> None:
    folder, pushes, ended = base / f"collected-{workers}", Pushes(5), threading.Event()

    def collect() -> int:
        times = 0
        while not ended.is_set():
            _collect(folder / "home")
            times += 1
        return times

    with registries.ours(folder, auth="none", workers=workers) as registry:
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            collecting = pool.submit(collect)
            try:
                _push_until(registry, pushes, count)
            finally:
                ended.set()
            assert collecting.result() > 0
        with connected(registry) as client:
            pushes.check(client)
    check_store(folder / "home")


@pytest.mark.parametrize(("workers", "count"), [(2, 60), pytest.param(3, 400, marks=FULL)])
def test_a_collection_without_grace_never_takes_what_a_manifest_needs(
    base: Path, workers: int, count: int
) -> None:
    """Blobs whose manifest has not come yet may go, and then the manifest is refused."""
    folder, pushes, ended = base / f"graceless-{workers}", Pushes(7), threading.Event()
    pushes.may_be_told_to_push_again = True

    def collect(registry: Registry) -> int:
        times = 0
        with connected(registry) as client:
            while not ended.is_set():
                _collect_without_grace(client)
                times += 1
        return times

    with registries.ours(folder, auth="none", workers=workers) as registry:
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            collecting = pool.submit(collect, registry)
            try:
                _push_until(registry, pushes, count)
            finally:
                ended.set()
            assert collecting.result() > 1
        with connected(registry) as client:
            pushes.blobs.clear()  # those of tags that have moved may be gone
            pushes.check(client)
            for name, tag in pushes.tags:
                document = client("GET", f"/v2/{name}/manifests/{tag}").json
                for part in (document["config"], *document["layers"]):
                    body = client("GET", f"/v2/{name}/blobs/{part['digest']}").body
                    assert digests.of(body) == part["digest"]
    check_store(folder / "home")


@pytest.mark.parametrize("rounds", [3, pytest.param(25, marks=FULL)])
def test_kills_of_collections_and_deletions_leave_nothing_half(base: Path, rounds: int) -> None:
    folder, source = base / f"killed-collections-{rounds}", random.Random(9)
    for number in range(rounds):
        pushes = Pushes(100 + number)
        with registries.ours(folder, auth="none") as registry:
            _push_until(registry, pushes, 12)
            killer = threading.Timer(
                source.random() * 0.15, os.killpg, (registry.process.pid, signal.SIGKILL)
            )
            killer.start()
            try:
                with connected(registry) as client:
                    for name, tag in list(pushes.tags)[:8]:
                        digest = str(client("HEAD", f"/v2/{name}/manifests/{tag}")["Docker-Content-Digest"])
                        client("DELETE", f"/v2/{name}/manifests/{digest}")
                    _collect_without_grace(client)
            except _GONE:
                pass
            killer.join()
        check_store(folder / "home")
    with registries.ours(folder, auth="none") as registry, connected(registry) as client:
        for _ in range(2):  # what the first one takes away leaves more that nobody needs
            _collect_without_grace(client)
    check_store(folder / "home", is_all=True)


def test_what_nobody_has_any_more_is_collected(base: Path) -> None:
    folder = base / "garbage"
    with registries.ours(folder, auth="none") as registry, connected(registry) as client:
        kept, dropped = client.repository("lab/kept"), client.repository("lab/dropped")
        shared, alone = b"in both" * 100, b"in one" * 100
        for repository in (kept, dropped):
            repository.push_blob(documents.EMPTY)
            repository.push_blob(shared)
            raw = documents.image(documents.EMPTY, (shared,), annotations={"of": repository.name})
            assert repository.put("one", raw, documents.OCI_MANIFEST).status == 201
        digest = dropped.push_blob(alone)
        assert dropped("DELETE", f"manifests/{digests.of(raw)}").status == 202
        assert dropped("DELETE", f"blobs/{digest}").status == 202
        _collect(folder / "home")
        assert digest not in _on_disk(folder / "home")
        assert digests.of(raw) not in _on_disk(folder / "home")
        assert kept("GET", f"blobs/{digests.of(shared)}").body == shared
        assert dropped.push_blob(alone) == digest
        assert dropped("GET", f"blobs/{digest}").body == alone


@pytest.fixture
def small_disk(base: Path) -> Iterator[Path]:
    """A disk of 24 MiB."""
    place = base / "small-disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", place], check=True)
    try:
        yield place
    finally:
        until(lambda: subprocess.run(["umount", place], check=False, capture_output=True).returncode == 0)


def _fill(disk: Path, left_bytes: int) -> None:
    found = os.statvfs(disk)
    with (disk / "filler").open("ab") as file:
        room = found.f_bavail * found.f_frsize - left_bytes
        if room > 0:
            os.posix_fallocate(file.fileno(), os.fstat(file.fileno()).st_size, room)


@pytest.mark.root
def test_a_full_disk_refuses_and_forgets_nothing(base: Path, small_disk: Path) -> None:
    home, pushes = small_disk / "home", Pushes(6)
    with (
        registries.ours(base / "full-disk", auth="none", settings={"storage": str(home)}) as registry,
        connected(registry) as client,
    ):
        for _ in range(5):
            pushes.push(client)
        repository, refused = client.repository("lab/a"), 0
        big = os.urandom(8 << 20)
        for pages in (0, 1, 2, 3, 5, 8, 16, 40, 100, 1000):
            _fill(small_disk, pages * os.sysconf("SC_PAGE_SIZE"))
            for attempt in (_push_big(repository, big), _push_small(repository, pages)):
                for status in attempt:
                    refused += status >= 400
            assert repository("HEAD", f"blobs/{digests.of(big)}").status == 404
            pushes.check(client)
            (small_disk / "filler").unlink()
        assert refused
        assert repository.push_blob(big)
        for _ in range(5):
            pushes.push(client)
        pushes.check(client)
    check_store(home)


def _push_big(repository: Repository, data: bytes) -> Iterator[int]:
    """Push as far as it goes; yield the statuses."""
    client = repository.client
    begun = client("POST", f"/v2/{repository.name}/blobs/uploads/", is_full=True)
    yield begun.status
    if begun.status == 202:
        location = str(begun["Location"])
        sent = client("PATCH", location, body=[data[at : at + 65536] for at in range(0, len(data), 65536)],
                      is_full=True)  # fmt: skip
        yield sent.status
        yield client("DELETE", location, is_full=True).status


def _push_small(repository: Repository, number: int) -> Iterator[int]:
    client, data = repository.client, b"small %d" % number
    stored = client(
        "POST", f"/v2/{repository.name}/blobs/uploads/?digest={digests.of(data)}", body=data, is_full=True
    )
    yield stored.status
    raw = documents.image(data, annotations={"number": "x" * 3000})
    yield client(
        "PUT", f"/v2/{repository.name}/manifests/small", body=raw,
        headers={"Content-Type": documents.OCI_MANIFEST}, is_full=True,
    ).status  # fmt: skip


def _rss_bytes(pid: int) -> int:
    """Return the most memory that a process has had."""
    line = next(each for each in Path(f"/proc/{pid}/status").read_text().splitlines() if "VmHWM" in each)
    return int(line.split()[1]) * 1024


@pytest.mark.parametrize("size", [200 << 20, pytest.param(5 << 30, marks=FULL)], ids=["200-mb", "5-gb"])
def test_a_blob_of_any_size_takes_no_memory(base: Path, size: int) -> None:
    piece, hasher = bytes(4 << 20), hashlib.sha256()
    for _ in range(size // len(piece)):
        hasher.update(piece)
    digest = f"sha256:{hasher.hexdigest()}"
    folder = base / f"large-{size}"
    with registries.ours(folder, auth="none") as registry, connected(registry) as client:
        repository = client.repository("lab/large")
        location = repository.start()
        answer = client("PATCH", location, body=_Repeated(piece, size // len(piece)))
        assert answer.status == 202
        assert answer["Range"] == f"0-{size - 1}"
        assert repository.finish(str(answer["Location"]), digest).status == 201
        assert repository("HEAD", f"blobs/{digest}")["Content-Length"] == str(size)
        last = repository("GET", f"blobs/{digest}", headers={"Range": f"bytes={size - 5}-"})
        assert (last.status, last.body) == (206, bytes(5))
        assert last["Content-Range"] == f"bytes {size - 5}-{size - 1}/{size}"
        assert client.drain(f"/v2/lab/large/blobs/{digest}") == (size, digest)
        assert _rss_bytes(registry.process.pid) < 100 << 20
        _blob(folder / "home", digest).unlink()  # the room is needed


class _Repeated:
    """A body that is never in the memory."""

    def __init__(self, piece: bytes, times: int) -> None:
        self._piece, self._times = piece, times

    def __iter__(self) -> Iterator[bytes]:
        for _ in range(self._times):
            yield self._piece

    def __len__(self) -> int:
        return self._times


@pytest.mark.parametrize("count", [500, pytest.param(10_000, marks=FULL)])
def test_many_tags_are_all_there(base: Path, count: int) -> None:
    folder = base / f"tags-{count}"
    names = [f"t{number:05}" for number in range(count)]
    with registries.ours(folder, auth="none") as registry:
        with connected(registry) as client:
            client.repository("lab/many").push_blob(documents.EMPTY)
        _in_threads(registry, names, lambda repository, tag: _tag(repository, tag))
        with connected(registry) as client:
            assert client.repository("lab/many").tags() in (names, names[:1000])
    with registries.ours(folder, auth="none") as registry, connected(registry) as client:
        repository, found, last = client.repository("lab/many"), [], ""
        while page := repository.tags(f"?n=1000&last={last}"):
            found += page
            last = page[-1]
        assert found == names
        assert repository("HEAD", f"manifests/{names[-1]}").status == 200


def _tag(repository: Repository, tag: str) -> None:
    raw = documents.image(annotations={"number": str(int(tag[1:]) % 50)})
    assert repository.put(tag, raw, documents.OCI_MANIFEST).status == 201


def _in_threads(registry: Registry, names: list[str], act: Callable[[Repository, str], None]) -> None:
    def work(share: list[str]) -> None:
        with connected(registry) as client:
            for name in share:
                act(client.repository("lab/many"), name)

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(work, [names[number::8] for number in range(8)]))
