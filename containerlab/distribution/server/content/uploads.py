"""Upload sessions: blobs that are on their way in.

A session is a row, which says whose it is, and a file below `registry/uploads`, whose length says how far it
is. So it outlives the server and may go on in another process; the hash of what is there already is kept in
the memory of the process that wrote it last, and computed again elsewhere.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import stat
import threading
from collections.abc import Iterator, Sequence

import msgspec

from containerlab.distribution.server.content import blobs, catalog
from containerlab.distribution.server.content.blobs import Blob
from containerlab.distribution.server.organizations import quotas
from containerlab.distribution.server.problems import (
    BlobUploadUnknown,
    Busy,
    DigestInvalid,
    StorageFull,
    TooMany,
)
from containerlab.distribution.server.registry import Registry
from containerlab.distribution.server.rights import Identity, organization_of
from containerlab.linux.files import is_full
from containerlab.oci import digest as digests
from containerlab.oci.digest import Hasher
from containerlab.store.blobs import CONTENT_LOCK

__all__ = ["ALGORITHMS", "Session", "begin", "cancel", "open_session", "size", "sweep"]

ALGORITHMS = ("sha256", "sha512")
_ID = re.compile(r"[0-9a-f]{32}")
_FLAGS = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_REREAD_BYTES = 1 << 20
_RETRY_AFTER_S = 60.0
_MOST_HASHES = 1024
_YOUNG_S = 60.0
"""A file without a row, or the other way round, may have been made just now."""


class _Upload(msgspec.Struct, frozen=True):
    id: str
    repository: str
    algorithm: str


def begin(registry: Registry, identity: Identity, name: str, algorithm: str = "sha256") -> str:
    """Begin an upload and return the id of its session.

    Raises: NameInvalid, NotPermitted, DigestInvalid; TooMany when the account has too many open.
    """
    if algorithm not in ALGORITHMS:
        raise DigestInvalid(f"the digest algorithm {algorithm[:40]!r} is not supported", "sha256 or sha512")
    upload_id = os.urandom(16).hex()
    with registry.notes.writing() as connection:
        catalog.require_push(connection, identity, name)
        quotas.check(connection, organization_of(name), 0)
        (count,) = connection.execute(
            "SELECT count(*) FROM uploads WHERE account = ?", (identity.name,)
        ).fetchone()
        if count >= registry.settings.upload_limit:
            raise TooMany(
                f"{count} uploads of yours are open", "finish or cancel some", retry_after_s=_RETRY_AFTER_S
            )
        connection.execute(
            "INSERT INTO uploads (id, repository, account, algorithm, created) VALUES (?, ?, ?, ?, ?)",
            (upload_id, name, identity.name, algorithm, registry.now()),
        )
        with _full_disk_told():
            os.close(os.open(upload_id, _FLAGS | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=registry.uploads_fd))
    return upload_id


def open_session(registry: Registry, identity: Identity, name: str, upload_id: str) -> Session:
    """Open a session to write to it, alone; who asked closes it.

    Raises: BlobUploadUnknown, also for the session of another repository or account; Busy while another
        request writes to it.
    """
    upload = _find(registry, identity, name, upload_id)
    fd = _open(registry, upload.id)
    try:
        _lock_or_say(fd, upload.id)
        # Whoever had the lock may have made a blob of the file: then nothing may be written to it any more.
        os.close(_open(registry, upload.id, of=fd))
        return Session(registry, identity, upload, fd)
    except BaseException:
        os.close(fd)
        raise


def size(registry: Registry, identity: Identity, name: str, upload_id: str) -> int:
    """Return how many bytes of an upload have arrived.

    Raises: BlobUploadUnknown; Busy, which has the number so far, while a request writes to it.
    """
    fd = _open(registry, _find(registry, identity, name, upload_id).id)
    try:
        _lock_or_say(fd, upload_id)
        return os.fstat(fd).st_size
    finally:
        os.close(fd)


def cancel(registry: Registry, identity: Identity, name: str, upload_id: str) -> None:
    """Give an upload up.

    Raises: BlobUploadUnknown.
    """
    _forget(registry, _find(registry, identity, name, upload_id).id)


def sweep(registry: Registry) -> int:
    """Remove sessions that nobody has written to for long, and what killed servers left; return how many."""
    with registry.reader.reading() as connection:
        rows: dict[str, float] = dict(connection.execute("SELECT id, created FROM uploads").fetchall())
    count = 0
    for name in rows.keys() | _names(registry):
        touched = _touched(registry, name)
        if touched is None and name not in rows:
            continue  # it was finished at this very moment
        is_session = touched is not None and name in rows
        age_s = registry.now() - (rows[name] if touched is None else touched)
        if age_s > (registry.settings.upload_age_s if is_session else _YOUNG_S):
            count += _abandon(registry, name)
    return count


def _names(registry: Registry) -> set[str]:
    # By a descriptor of its own: two that list a directory by one would each get a part of it.
    fd = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=registry.uploads_fd)
    try:
        return set(os.listdir(fd))
    finally:
        os.close(fd)


def _touched(registry: Registry, name: str) -> float | None:
    with contextlib.suppress(FileNotFoundError):
        return os.stat(name, dir_fd=registry.uploads_fd, follow_symlinks=False).st_mtime
    return None


def _abandon(registry: Registry, upload_id: str) -> int:
    """Forget an upload unless a request writes to it."""
    try:
        fd = _open(registry, upload_id)
    except BlobUploadUnknown:
        return _forget(registry, upload_id)
    try:
        return _forget(registry, upload_id) if _lock(fd) else 0
    finally:
        os.close(fd)


def _find(registry: Registry, identity: Identity, name: str, upload_id: str) -> _Upload:
    with registry.quick.reading() as connection:
        catalog.require_push(connection, identity, name)
        row = None
        if _ID.fullmatch(upload_id):
            row = connection.execute(
                "SELECT id, repository, algorithm FROM uploads"
                " WHERE id = ? AND repository = ? AND account = ?",
                (upload_id, name, identity.name),
            ).fetchone()
    if row is None:
        raise BlobUploadUnknown("no such upload: it was finished, given up or never begun", "begin it again")
    return _Upload(*row)


def _open(registry: Registry, upload_id: str, of: int | None = None) -> int:
    """Open a session's file, if it is one: whatever was planted in its place is not followed.

    of: a descriptor that has to be of the same file.
    """
    try:
        fd = os.open(upload_id, _FLAGS, dir_fd=registry.uploads_fd)
    except OSError as error:
        raise BlobUploadUnknown("the upload is gone", "begin it again") from error
    found = os.fstat(fd)
    is_other = of is not None and not os.path.samestat(found, os.fstat(of))
    if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1 or is_other:
        os.close(fd)
        raise BlobUploadUnknown("the upload is gone", "begin it again")
    return fd


def _forget(registry: Registry, upload_id: str) -> int:
    with contextlib.suppress(FileNotFoundError, IsADirectoryError, PermissionError):
        os.unlink(upload_id, dir_fd=registry.uploads_fd)
    registry.hashers.pop(upload_id, None)
    with registry.notes.writing() as connection:
        return connection.execute("DELETE FROM uploads WHERE id = ?", (upload_id,)).rowcount


def _lock(fd: int) -> bool:
    with contextlib.suppress(BlockingIOError):
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


def _lock_or_say(fd: int, upload_id: str) -> None:
    if not _lock(fd):
        count = os.fstat(fd).st_size
        raise Busy("another request writes to this upload", upload_id=upload_id, size=count)


@contextlib.contextmanager
def _full_disk_told() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if not is_full(error) and error.errno != errno.EIO:
            raise
        raise StorageFull(
            f"the registry cannot store more: {error.strerror}", "ask who runs it to make room"
        ) from error


class Session:
    """An upload that one request writes to; made by `open_session`. All its methods block."""

    def __init__(self, registry: Registry, identity: Identity, upload: _Upload, fd: int) -> None:
        self._registry, self._identity, self._upload, self._fd = registry, identity, upload, fd
        with registry.reader.reading() as connection:
            self._room = quotas.room(connection, organization_of(upload.repository))
        self._lock = threading.Lock()  # a request may be given up while a thread still writes for it
        self.size = os.lseek(fd, 0, os.SEEK_END)
        kept = registry.hashers.pop(upload.id, None)
        self._hasher = kept if kept and kept.size == self.size else None

    @property
    def id(self) -> str:
        return self._upload.id

    def write(self, pieces: Sequence[bytes]) -> None:
        """Add bytes; best in pieces of 256 KiB or more.

        Raises: StorageFull; Denied when the organisation has no room for them. Then the upload is as long as
            before.
        """
        self.expect(sum(map(len, pieces)))
        with self._lock, _full_disk_told():
            hasher = self._hash()
            try:
                _write_all(self._fd, pieces)
            except OSError:
                self._cut(self.size)
                raise
            for piece in pieces:
                hasher.update(piece)
            self.size = hasher.size

    def expect(self, count: int) -> None:
        """Say how many bytes will come, before they do.

        Raises: Denied when the organisation has no room for them.
        """
        if self._room is not None and self.size + count > self._room:
            with self._registry.reader.reading() as connection:
                quotas.check(connection, organization_of(self._upload.repository), self.size + count)

    def truncate(self, length: int) -> None:
        """Drop what came after the first `length` bytes."""
        with self._lock:
            self._cut(length)

    def _cut(self, length: int) -> None:
        os.ftruncate(self._fd, length)
        os.lseek(self._fd, length, os.SEEK_SET)
        if length != self.size:
            self._hasher = None
        self.size = length

    def finish(self, digest: str) -> Blob:
        """Make a blob of what has arrived, on the disk before this returns; the session is over in any case.

        Raises: DigestInvalid when it is not what the digest says.
        """
        with self._lock, _full_disk_told():
            found = self._hash(digests.algorithm(digest)).digest()
            self._hasher = None
            if found != digest:
                _forget(self._registry, self.id)
                raise DigestInvalid(f"what arrived has the digest {found}, not {digest}", "upload it again")
            os.fsync(self._fd)
            blob = Blob(digest, self.size)
            self._take_in(blob)
            return blob

    def _take_in(self, blob: Blob) -> None:
        registry = self._registry
        # Held from the renaming to the row that names the blob, so that no collection comes between.
        with registry.home.lock(CONTENT_LOCK, shared=True):
            with registry.reader.reading() as connection:
                quotas.check(connection, organization_of(self._upload.repository), blob.size, blob.digest)
            try:
                registry.blobs.adopt(self.id, registry.uploads_fd, blob.digest)
            except FileNotFoundError as error:
                raise BlobUploadUnknown("the upload was given up meanwhile", "begin it again") from error
            with registry.database.writing() as connection:
                blobs.link(registry, connection, self._identity, self._upload.repository, blob)
                connection.execute("DELETE FROM uploads WHERE id = ?", (self.id,))

    def close(self) -> None:
        """Let others write; the hash is remembered for the next request."""
        with self._lock:
            hashers = self._registry.hashers
            if self._hasher and self._hasher.size == self.size:
                hashers[self.id] = self._hasher
                while len(hashers) > _MOST_HASHES:
                    hashers.pop(next(iter(hashers)), None)
            os.close(self._fd)

    def _hash(self, algorithm: str = "") -> Hasher:
        """Return the hash of what is there, computed anew if it is not known."""
        wanted = algorithm or self._upload.algorithm
        if self._hasher is None or self._hasher.algorithm != wanted:
            self._hasher = Hasher(wanted)
            while piece := os.pread(self._fd, _REREAD_BYTES, self._hasher.size):
                self._hasher.update(piece)
        return self._hasher


def _write_all(fd: int, pieces: Sequence[bytes]) -> None:
    left = [memoryview(piece) for piece in pieces if piece]
    while left:
        count = os.writev(fd, left[:1024])
        while left and count >= len(left[0]):
            count -= len(left.pop(0))
        if count:
            left[0] = left[0][count:]
