"""Uploads go on wherever they are gone on with, and end as one whole blob or as nothing."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from containerlab.distribution.server.content import blobs, uploads
from containerlab.distribution.server.content.blobs import Blob
from containerlab.distribution.server.problems import (
    BlobUnknown,
    BlobUploadUnknown,
    Denied,
    DigestInvalid,
    NameUnknown,
    OutOfOrder,
    StorageFull,
    TooMany,
)
from containerlab.distribution.server.registry import Registry
from containerlab.distribution.server.rights import ANONYMOUS, Identity, Level
from containerlab.errors import NotPermitted
from containerlab.oci import digest as digests
from containerlab.store import removal
from tests.distribution.server import grounds

NAME = "lab/base"
DATA = os.urandom(700_000)
DIGEST = digests.of(DATA)
WRITER = Identity(name="ann", rights={"lab/": Level.WRITE})


@pytest.fixture
def twin(registry: Registry, tmp_path: Path, clock: grounds.Clock) -> Iterator[Registry]:
    """Yield the same registry as another process has it."""
    with grounds.opened(tmp_path / "home", clock) as twin:
        yield twin


def write(registry: Registry, who: Identity, upload: str, *pieces: bytes) -> int:
    session = uploads.open_session(registry, who, NAME, upload)
    try:
        session.write(pieces)
        return session.size
    finally:
        session.close()


def finish(registry: Registry, who: Identity, upload: str, digest: str = DIGEST) -> Blob:
    session = uploads.open_session(registry, who, NAME, upload)
    try:
        return session.finish(digest)
    finally:
        session.close()


def files(registry: Registry) -> list[str]:
    return os.listdir(registry.uploads_fd)


def read(registry: Registry, who: Identity, digest: str = DIGEST) -> bytes:
    fd = blobs.open_file(registry, blobs.find(registry, who, NAME, digest))
    with os.fdopen(fd, "rb") as file:
        return file.read()


def test_pieces_become_a_blob_and_the_session_ends(registry: Registry, admin: Identity) -> None:
    upload = uploads.begin(registry, admin, NAME)
    assert write(registry, admin, upload, DATA[:300_000], b"", DATA[300_000:]) == len(DATA)
    assert finish(registry, admin, upload) == Blob(DIGEST, len(DATA))
    assert read(registry, admin) == DATA
    assert files(registry) == []
    with pytest.raises(BlobUploadUnknown):
        uploads.size(registry, admin, NAME, upload)


def test_another_process_goes_on(registry: Registry, twin: Registry, admin: Identity) -> None:
    upload = uploads.begin(registry, admin, NAME)
    for number, place in enumerate((registry, twin, twin, registry, twin)):
        write(place, admin, upload, DATA[number * 140_000 : (number + 1) * 140_000])
    assert uploads.size(registry, admin, NAME, upload) == len(DATA)
    finish(registry, admin, upload)
    assert read(twin, admin) == DATA


@pytest.mark.parametrize("begun", ["sha256", "sha512"])
@pytest.mark.parametrize("ended", ["sha256", "sha512"])
def test_any_algorithm_may_follow_the_one_that_was_announced(
    registry: Registry, admin: Identity, begun: str, ended: str
) -> None:
    upload = uploads.begin(registry, admin, NAME, begun)
    write(registry, admin, upload, DATA)
    digest = digests.of(DATA, ended)
    finish(registry, admin, upload, digest)
    assert read(registry, admin, digest) == DATA


def test_a_wrong_digest_leaves_nothing(registry: Registry, admin: Identity) -> None:
    upload = uploads.begin(registry, admin, NAME)
    write(registry, admin, upload, DATA)
    with pytest.raises(DigestInvalid):
        finish(registry, admin, upload, digests.of(b"something else"))
    assert files(registry) == []
    for digest in (DIGEST, digests.of(b"something else")):
        with pytest.raises((BlobUnknown, NameUnknown)):
            blobs.find(registry, admin, NAME, digest)
    with pytest.raises(BlobUploadUnknown):
        uploads.open_session(registry, admin, NAME, upload)


def test_one_writes_at_a_time(registry: Registry, twin: Registry, admin: Identity) -> None:
    upload = uploads.begin(registry, admin, NAME)
    session = uploads.open_session(registry, admin, NAME, upload)
    session.write([b"abc"])
    for place in (registry, twin):
        with pytest.raises(OutOfOrder) as refused:
            uploads.open_session(place, admin, NAME, upload)
        assert (refused.value.upload_id, refused.value.size) == (upload, 3)
    session.close()
    assert write(twin, admin, upload, b"def") == 6


def test_a_blob_that_was_a_session_is_not_written_to(
    registry: Registry, admin: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who opened the file before it got its name as a blob, and waited for its turn, must not have it."""
    upload = uploads.begin(registry, admin, NAME)
    write(registry, admin, upload, DATA)
    lock = uploads._lock

    def finish_first(fd: int) -> bool:
        monkeypatch.setattr(uploads, "_lock", lock)
        finish(registry, admin, upload)
        return lock(fd)

    monkeypatch.setattr(uploads, "_lock", finish_first)
    with pytest.raises(BlobUploadUnknown):
        uploads.open_session(registry, admin, NAME, upload)
    assert read(registry, admin) == DATA


def test_a_session_is_its_owner_s_and_its_repository_s(registry: Registry, admin: Identity) -> None:
    upload = uploads.begin(registry, admin, NAME)
    write(registry, admin, upload, DATA)
    finish(registry, admin, upload)  # makes the organisation
    upload = uploads.begin(registry, admin, NAME)
    for who, name in ((WRITER, NAME), (admin, "lab/other")):
        with pytest.raises(BlobUploadUnknown):
            uploads.size(registry, who, name, upload)
    with pytest.raises(NotPermitted):
        uploads.size(registry, ANONYMOUS, NAME, upload)


@pytest.mark.parametrize("upload", ["", "..", "../registry.db", "x" * 5000, "\0", "A" * 32, "0" * 32])
def test_what_is_no_session_is_unknown(registry: Registry, admin: Identity, upload: str) -> None:
    with pytest.raises(BlobUploadUnknown):
        uploads.open_session(registry, admin, NAME, upload)


def test_who_may_only_read_begins_nothing(registry: Registry) -> None:
    reader = Identity(name="ann", rights={"lab/": Level.READ})
    with pytest.raises(NotPermitted):
        uploads.begin(registry, reader, NAME)
    assert files(registry) == []


def test_an_organisation_that_is_not_there_is_said_before_anything_is_sent(registry: Registry) -> None:
    with pytest.raises(Denied, match="no organisation lab"):
        uploads.begin(registry, WRITER, NAME)


def test_sessions_are_limited_for_each_account(tmp_path: Path, clock: grounds.Clock) -> None:
    with grounds.opened(tmp_path / "small", clock, upload_limit=2) as registry:
        admin = grounds.logged_in(registry)
        first = uploads.begin(registry, admin, NAME)
        uploads.begin(registry, admin, NAME)
        with pytest.raises(TooMany):
            uploads.begin(registry, admin, NAME)
        uploads.cancel(registry, admin, NAME, first)
        assert uploads.begin(registry, admin, NAME)
        assert uploads.begin(registry, Identity(name="eve", is_admin=True), NAME)


def test_a_full_disk_leaves_the_upload_as_it_was(
    registry: Registry, admin: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = uploads.begin(registry, admin, NAME)
    write(registry, admin, upload, DATA[:1000])
    writev = os.writev

    def fill(fd: int, pieces: Sequence[memoryview]) -> int:
        writev(fd, [pieces[0][:100]])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "writev", fill)
        with pytest.raises(StorageFull):
            write(registry, admin, upload, DATA[1000:])
    assert uploads.size(registry, admin, NAME, upload) == 1000
    write(registry, admin, upload, DATA[1000:])
    finish(registry, admin, upload)
    assert read(registry, admin) == DATA


def test_what_nobody_goes_on_with_is_swept(registry: Registry, admin: Identity, clock: grounds.Clock) -> None:
    old, used, young = (uploads.begin(registry, admin, NAME) for _ in range(3))
    now = clock.time
    for upload, age in ((old, 90_000), (used, 90_000), (young, 80_000)):
        os.utime(upload, (now - age, now - age), dir_fd=registry.uploads_fd)
    session = uploads.open_session(registry, admin, NAME, used)
    try:
        assert uploads.sweep(registry) == 1
    finally:
        session.close()
    assert sorted(files(registry)) == sorted([used, young])


def test_halves_of_sessions_are_swept_when_they_are_not_just_being_made(
    registry: Registry, admin: Identity, clock: grounds.Clock
) -> None:
    without_file = uploads.begin(registry, admin, NAME)
    os.unlink(without_file, dir_fd=registry.uploads_fd)
    (registry.directory / "uploads" / ("0" * 32)).touch()
    os.utime("0" * 32, (clock.time, clock.time), dir_fd=registry.uploads_fd)
    assert uploads.sweep(registry) == 0
    clock.advance(3600)
    uploads.sweep(registry)
    assert files(registry) == []
    with registry.reader.reading() as connection:
        assert connection.execute("SELECT count(*) FROM uploads").fetchone() == (0,)


@pytest.mark.parametrize("kind", ["link", "hard link", "directory", "fifo"])
def test_nothing_is_written_through_what_was_planted(
    registry: Registry, admin: Identity, tmp_path: Path, kind: str
) -> None:
    upload = uploads.begin(registry, admin, NAME)
    outside, place = tmp_path / "outside", registry.directory / "uploads" / upload
    outside.write_bytes(b"secret")
    place.unlink()
    match kind:
        case "link":
            place.symlink_to(outside)
        case "hard link":
            place.hardlink_to(outside)
        case "directory":
            place.mkdir()
        case _:
            os.mkfifo(place)
    with pytest.raises(BlobUploadUnknown):
        uploads.open_session(registry, admin, NAME, upload)
    assert outside.read_bytes() == b"secret"


def test_the_store_s_collection_leaves_what_a_repository_has(registry: Registry, admin: Identity) -> None:
    upload = uploads.begin(registry, admin, NAME)
    write(registry, admin, upload, DATA)
    finish(registry, admin, upload)
    assert removal.collect(registry.images) == 0
    assert read(registry, admin) == DATA


def test_a_mount_takes_what_may_be_read_and_tells_nothing_of_the_rest(
    registry: Registry, admin: Identity
) -> None:
    upload = uploads.begin(registry, admin, NAME)
    write(registry, admin, upload, DATA)
    finish(registry, admin, upload)
    stranger = Identity(name="eve", rights={"lab/eve": Level.WRITE})
    reader = Identity(name="ann", rights={"lab/ann": Level.WRITE, NAME: Level.READ})
    for source in (NAME, "", "lab/none"):
        assert blobs.mount(registry, stranger, "lab/eve", DIGEST, source) is None
    with pytest.raises(NameUnknown):
        blobs.find(registry, stranger, "lab/eve", DIGEST)
    for source in (NAME, ""):
        assert blobs.mount(registry, reader, "lab/ann", DIGEST, source) == Blob(DIGEST, len(DATA))
    assert blobs.find(registry, reader, "lab/ann", DIGEST)


def test_a_file_with_another_name_is_looked_at_before_it_is_given(
    registry: Registry, admin: Identity, tmp_path: Path
) -> None:
    upload = uploads.begin(registry, admin, NAME)
    write(registry, admin, upload, DATA)
    blob = finish(registry, admin, upload)
    path = registry.blobs.path(DIGEST)
    (tmp_path / "copy").hardlink_to(path)  # as backups do
    fd = blobs.open_file(registry, blob)
    assert blobs.is_genuine(fd, blob)
    os.close(fd)
    (tmp_path / "planted").write_bytes(bytes(len(DATA)))
    path.unlink()
    path.hardlink_to(tmp_path / "planted")
    fd = blobs.open_file(registry, blob)
    assert not blobs.is_genuine(fd, blob)
    os.close(fd)


def test_sweeps_at_the_same_time_leave_uploads_that_go_on(
    registry: Registry, admin: Identity, clock: grounds.Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two that list a directory by one descriptor get a part of it each, and what ends meanwhile is gone."""
    clock.time = time.time()
    ids = [uploads.begin(registry, admin, NAME) for _ in range(300)]
    ending = iter([uploads.begin(registry, admin, NAME) for _ in range(50)])
    clock.advance(120)
    real = os.stat

    def stat(path: str, **how: object) -> os.stat_result:
        if "dir_fd" in how and (upload := next(ending, None)):
            uploads.cancel(registry, admin, NAME, upload)
        return real(path, **how)  # type: ignore[call-overload, no-any-return]

    monkeypatch.setattr(uploads.os, "stat", stat)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(uploads.sweep, [registry] * 16))
    assert [uploads.size(registry, admin, NAME, upload) for upload in ids] == [0] * len(ids)
