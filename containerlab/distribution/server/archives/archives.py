"""Uploads of archives in pieces: a row, and a file that grows; both survive a restart of the server."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
import sqlite3
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from containerlab import errors
from containerlab.distribution.api.archives import Archives, ArchiveUpload, ImportedImage
from containerlab.distribution.api.values import Page
from containerlab.distribution.server.api.binding import serves
from containerlab.distribution.server.content import catalog
from containerlab.distribution.server.organizations import quotas
from containerlab.distribution.server.registry import Registry
from containerlab.distribution.server.rights import Identity, Level, organization_of

__all__ = ["Appending", "WrongOffset", "append", "begin", "cancel", "finish", "inspect", "listed", "sweep"]

_MOST_OPEN = 20
"""Uploads of one account at once."""
_SPARE = 2
"""Room that an upload needs on the disk, as a multiple of its size: the archive and what it becomes."""
_COLUMNS = "id, repository, tag, account, size, status, detail, images, created, touched"
_FLAGS = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@serves(Archives.begin)
def begin(
    registry: Registry, identity: Identity, repository: str, size: int, tag: str | None = None
) -> ArchiveUpload:
    """Begin an upload.

    Raises: NotPermitted, NameInvalid, Denied by the quota; Conflict when too many are open; Unavailable when
        the disk lacks room.
    """
    directory = _directory(registry)
    found, now = secrets.token_hex(16), registry.now()
    with registry.database.writing() as connection:
        catalog.require_push(connection, identity, repository)
        quotas.check(connection, organization_of(repository), 0)
        count = connection.execute(
            "SELECT count(*) FROM archives WHERE account = ? AND status = 'receiving'", (identity.name,)
        ).fetchone()[0]
        if count >= _MOST_OPEN:
            raise errors.Conflict(f"{count} of your uploads are open already", "finish or cancel one")
        _require_room(connection, directory, size)
        connection.execute(
            "INSERT INTO archives (id, repository, tag, account, size, created, touched)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (found, repository, tag or "", identity.name, size, now, now),
        )
    os.close(os.open(directory / found, os.O_CREAT | os.O_EXCL | _FLAGS, 0o600))
    return inspect(registry, identity, found)


def _require_room(connection: sqlite3.Connection, directory: Path, size: int) -> None:
    """Raise Unavailable when the disk lacks room for an archive beside those that are on their way."""
    others = connection.execute("SELECT sum(size) FROM archives WHERE status = 'receiving'").fetchone()[0]
    needed, free = (size + (others or 0)) * _SPARE, shutil.disk_usage(directory).free
    if needed > free:
        raise errors.Unavailable(
            f"an archive of {size} bytes, beside others, needs {needed} on the disk, where {free} are left",
            "ask who runs the registry for room",
        )


@serves(Archives.list)
def listed(registry: Registry, identity: Identity) -> Page[ArchiveUpload]:
    """Return somebody's uploads, newest first."""
    with registry.reader.reading() as connection:
        rows = connection.execute(
            f"SELECT {_COLUMNS} FROM archives WHERE account = ? ORDER BY created DESC", (identity.name,)
        ).fetchall()
    return Page(tuple(_upload(registry, row) for row in rows if _may_have(identity, row)))


@serves(Archives.inspect)
def inspect(registry: Registry, identity: Identity, id: str) -> ArchiveUpload:
    """Return how far an upload is.

    Raises: NotFound, also for who did not begin it.
    """
    with registry.reader.reading() as connection:
        row = connection.execute(
            f"SELECT {_COLUMNS} FROM archives WHERE id = ? AND account = ?", (id, identity.name)
        ).fetchone()
    if row is None or not _may_have(identity, row):
        raise errors.NotFound("no such upload: it is too old, was given up or never begun", "begin it again")
    return _upload(registry, row)


def _may_have(identity: Identity, row: tuple[Any, ...]) -> bool:
    """Tell whether one of somebody's uploads is for them now: they may come with a token for other places."""
    return identity.limits is None or identity.level(row[1]) >= Level.WRITE


@contextlib.contextmanager
def append(registry: Registry, identity: Identity, id: str, offset: int) -> Iterator[Appending]:
    """Give what a piece is written to that belongs at `offset`; what arrives of it stays.

    Raises: NotFound; Conflict when it belongs elsewhere, or somebody else writes just now.
    """
    upload = inspect(registry, identity, id)
    with _opened(registry, id) as fd:
        size = os.fstat(fd).st_size
        if upload.status != "receiving" or offset != size:
            raise WrongOffset(f"the next piece belongs at {size}, not at {offset}", received=size)
        yield Appending(upload, fd)
    with registry.database.writing() as connection:
        connection.execute("UPDATE archives SET touched = ? WHERE id = ?", (registry.now(), id))


class WrongOffset(errors.Conflict):
    """A piece belongs at another place; `received` says where."""

    def __init__(self, message: str, hint: str = "", *, received: int) -> None:
        super().__init__(message, hint)
        self.received = received


class Appending:
    """Takes bytes of a piece; made by `append`."""

    def __init__(self, upload: ArchiveUpload, fd: int) -> None:
        self._upload, self._fd = upload, fd
        self.received = os.lseek(fd, 0, os.SEEK_END)

    def write(self, pieces: Sequence[bytes]) -> None:
        """Add bytes.

        Raises: InvalidInput when there are more than were announced; Unavailable when the disk is full.
        """
        if self.received + sum(map(len, pieces)) > self._upload.size:
            raise errors.InvalidInput(
                f"more arrives than the {self._upload.size} bytes that were announced", "begin it again"
            )
        for piece in pieces:
            view = memoryview(piece)
            while view:
                try:
                    count = os.write(self._fd, view)
                except OSError as error:
                    raise errors.of_the_system(error, "store an archive") from error
                view, self.received = view[count:], self.received + count


@serves(Archives.finish)
def finish(registry: Registry, identity: Identity, id: str) -> ArchiveUpload:
    """Take the images of an archive in, as `identity`; a server that is killed meanwhile can be asked again.

    Raises: Conflict when it is not complete; what is wrong with the archive, and then it is gone.
    """
    from containerlab.distribution.server.archives import importing

    upload = inspect(registry, identity, id)
    if upload.status in ("imported", "failed"):
        return upload
    with _opened(registry, id) as fd, os.fdopen(os.dup(fd), "rb") as file:
        if (size := os.fstat(fd).st_size) != upload.size:
            raise errors.Conflict(f"{size} of {upload.size} bytes have arrived", f"go on at {size}")
        _note(registry, id, "importing")
        try:
            file.seek(0)
            images = importing.take_in(registry, identity, upload, file)
        except (errors.Unavailable, errors.TimedOut, errors.NotPermitted) as error:
            _note(registry, id, "receiving", error.message)  # it may be tried again
            raise
        except errors.LabError as error:
            _note(registry, id, "failed", str(error))
            _unlink(registry, id)
            raise
        _note(registry, id, "imported", images=images)
        _unlink(registry, id)
    return inspect(registry, identity, id)


@serves(Archives.cancel)
def cancel(registry: Registry, identity: Identity, id: str) -> None:
    """Give an upload up.

    Raises: NotFound; Conflict while a piece of it arrives.
    """
    inspect(registry, identity, id)
    _abandon(registry, id)


def sweep(registry: Registry) -> int:
    """Forget uploads that nobody has gone on with for long; return how many."""
    oldest = registry.now() - registry.settings.upload_age_s
    with registry.reader.reading() as connection:
        rows = connection.execute("SELECT id FROM archives WHERE touched < ?", (oldest,)).fetchall()
        known = {row[0] for row in connection.execute("SELECT id FROM archives")}
    for (found,) in rows:
        with contextlib.suppress(errors.Conflict):
            _abandon(registry, found)
    for entry in os.scandir(_directory(registry)):  # of a server that was killed before it wrote the row
        if entry.name not in known and entry.stat(follow_symlinks=False).st_mtime < oldest:
            os.unlink(entry.path)
    return len(rows)


def _directory(registry: Registry) -> Path:
    found = registry.directory / "archives"
    found.mkdir(mode=0o700, exist_ok=True)
    return found


@contextlib.contextmanager
def _opened(registry: Registry, upload_id: str) -> Iterator[int]:
    """Open an upload's file for one request alone.

    Raises: NotFound; Conflict when another one has it.
    """
    try:
        fd = os.open(_directory(registry) / upload_id, _FLAGS)
    except OSError as error:
        raise errors.NotFound("what was uploaded is gone", "begin it again") from error
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise errors.NotFound("what was uploaded is gone", "begin it again")
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield fd
    except BlockingIOError as error:
        raise errors.Conflict("another request works on this upload", "ask how far it is") from error
    finally:
        os.close(fd)


def _abandon(registry: Registry, upload_id: str) -> None:
    """Forget an upload. Raises: Conflict while a request works on it."""
    try:
        with _opened(registry, upload_id):
            _unlink(registry, upload_id)
    except errors.NotFound:
        pass
    with registry.database.writing() as connection:
        connection.execute("DELETE FROM archives WHERE id = ?", (upload_id,))


def _note(
    registry: Registry, upload_id: str, status: str, detail: str = "", images: Sequence[ImportedImage] = ()
) -> None:
    with registry.database.writing() as connection:
        connection.execute(
            "UPDATE archives SET status = ?, detail = ?, images = ?, touched = ? WHERE id = ?",
            (status, detail, msgspec.json.encode(images).decode(), registry.now(), upload_id),
        )


def _unlink(registry: Registry, upload_id: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(_directory(registry) / upload_id)


def _upload(registry: Registry, row: tuple[Any, ...]) -> ArchiveUpload:
    found = dict(zip(_COLUMNS.split(", "), row, strict=True))
    del found["account"]
    found["images"] = msgspec.json.decode(found["images"], type=tuple[ImportedImage, ...])
    found["received"] = found["size"] if found["status"] == "imported" else _size(registry, found["id"])
    return ArchiveUpload(**found)


def _size(registry: Registry, upload_id: str) -> int:
    try:
        return os.stat(_directory(registry) / upload_id, follow_symlinks=False).st_size
    except FileNotFoundError:
        return 0
