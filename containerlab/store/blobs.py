"""Content by its digest: verified on the way in and on the way out.

A blob is a file below `oci/blobs`, named by its digest, that never changes. It comes there complete, from a
temporary name, after it has been verified and has reached the disk; a killed writer leaves a file in `tmp`.
"""

from __future__ import annotations

import contextlib
import io
import math
import os
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from containerlab import errors
from containerlab.linux.files import is_full, sync_directory
from containerlab.oci import digest as digests
from containerlab.oci.image import MAX_DOCUMENT_BYTES, Descriptor
from containerlab.store.home import PARTIAL, Home, is_held, is_locked

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["CONTENT_LOCK", "Blobs", "Writer"]

_CHUNK = 1 << 20
_LEASE = "lease-"
_ROUNDED_S = 1.0
"""File systems round times, and the kernel's for files is behind the clock's by some milliseconds."""
CONTENT_LOCK = "content"
"""Held shared while a blob or a name is added, alone while garbage is collected; never for long."""


class Blobs:
    """The blobs of a home; safe for many threads and processes.

    What is written is garbage until a name leads to it. Hold a lease from before the first blob until the
    name is put, so that a collection in another process leaves it alone.
    """

    def __init__(self, home: Home) -> None:
        self._home = home
        self._root = home.oci / "blobs"

    @contextlib.contextmanager
    def lease(self) -> Iterator[None]:
        """Protect from collection all blobs that anybody writes or keeps while this is held.

        It dies with its holder: the kernel lets go of the lock on the directory that stands for it.
        """
        with self._home.scratch(_LEASE):
            yield

    def leased_since(self) -> float:
        """Return when the oldest lease that is held now began; infinity if there is none.

        Once the clock was set back since a lease began, what it protects looks older than it is: then this is
        the beginning of time, and all is protected until the lease ends.
        """
        began = [math.inf]
        for entry in os.scandir(self._home.temporary):
            with contextlib.suppress(FileNotFoundError):
                # Nothing is ever written into the directory, so that its time is that of its making.
                if entry.name.startswith(_LEASE) and is_held(entry.path):
                    moment = entry.stat().st_mtime
                    began.append(moment if moment <= time.time() + _ROUNDED_S else -math.inf)
        return min(began)

    def path(self, digest: str) -> Path:
        """Return where the blob is, or would be."""
        return self._root / digests.path(digest)

    def has(self, digest: str) -> bool:
        """Tell whether the blob is there."""
        return self._find(digest) is not None

    def size(self, digest: str) -> int:
        """Return the length in bytes.

        Raises: NotFound.
        """
        found = self._find(digest)
        if found is None:
            raise _missing(digest)
        return found.st_size

    def keep(self, descriptor: Descriptor) -> bool:
        """Tell whether the blob is there with the right size; if so, leases held now protect it too."""
        with self._home.lock(CONTENT_LOCK, shared=True):
            found = self._find(descriptor.digest)
            if found is None or found.st_size != descriptor.size:
                return False
            os.utime(self.path(descriptor.digest))
            return True

    def open(self, descriptor: Descriptor) -> BinaryIO:
        """Open a blob to read it once from start to end; the end is reached only when the digest is right.

        Raises: NotFound; DigestMismatch, also while reading.
        """
        return io.BufferedReader(
            _Verified(self.open_fd(descriptor.digest, descriptor.size), descriptor, self._home.moved), _CHUNK
        )

    def read(self, digest: str) -> bytes:
        """Return a document.

        Raises: NotFound, DigestMismatch; CorruptContent when it has more than 4 MiB.
        """
        with os.fdopen(self.open_fd(digest, None), "rb", buffering=0) as file:
            raw = file.read(MAX_DOCUMENT_BYTES + 1)
        if len(raw) > MAX_DOCUMENT_BYTES:
            raise errors.CorruptContent(f"document {digest} has more than {MAX_DOCUMENT_BYTES} bytes")
        if not digests.is_of(digest, raw):
            raise _damaged(digest)
        return raw

    @contextlib.contextmanager
    def writer(self, expected: Descriptor | None = None) -> Iterator[Writer]:
        """Give a writer for one blob; without a `commit` inside the block nothing remains.

        Raises: Unavailable when the disk is full.
        """
        writer = Writer(self._home, self._root, expected, *self._home.fresh_file("blob-"))
        with _closed(writer):
            yield writer

    @contextlib.contextmanager
    def arriving(self, expected: Descriptor) -> Iterator[Writer]:
        """Give a writer for one blob that comes from afar, and may be cut off: what came stays for next time.

        Whoever gets it first goes through its `earlier` bytes. What turns out to be wrong does not stay, nor
        anything on a full disk.

        Raises: Unavailable when the disk is full.
        """
        found = self._home.partial_file(_partial_name(expected))
        if found is None:
            with self.writer(expected) as writer:
                yield writer
            return
        if os.fstat(found[0]).st_size > expected.size:
            os.ftruncate(found[0], 0)
        writer = Writer(self._home, self._root, expected, *found)
        writer.is_kept = True
        with _closed(writer):
            try:
                yield writer
            except (errors.CorruptContent, errors.Unsupported):
                writer.is_kept = False
                raise

    def follow(self, expected: Descriptor) -> int | None:
        """Open what somebody, here or in another process, writes with `arriving`; None when nobody does.

        What is read from it is not verified before the blob is in the store.
        """
        try:
            path = f"{self._home.temporary}/{PARTIAL}{_partial_name(expected)}"
            fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        if is_locked(fd):
            return fd
        os.close(fd)
        return None

    def write(self, data: bytes, media_type: str) -> Descriptor:
        """Store a document."""
        with self.writer() as writer:
            writer.write(data)
            return writer.commit(media_type)

    def copy(self, source: BinaryIO, expected: Descriptor) -> Descriptor:
        """Store what `source` gives, unless the blob is there already.

        Raises: DigestMismatch.
        """
        if self.keep(expected):
            return expected
        with self.writer(expected) as writer:
            while chunk := source.read(_CHUNK):
                writer.write(chunk)
            return writer.commit()

    def adopt(self, name: str, directory_fd: int, digest: str) -> None:
        """Take in a file that is complete, verified and on the disk; only for who holds CONTENT_LOCK.

        It gets its name as a blob, durably, and counts as just come in.

        Raises: Conflict when a directory has been planted where it belongs.
        """
        target = self.path(digest)
        os.makedirs(target.parent, mode=0o700, exist_ok=True)
        os.utime(name, dir_fd=directory_fd, follow_symlinks=False)
        try:
            os.rename(name, target, src_dir_fd=directory_fd)
        except IsADirectoryError as error:
            raise errors.Conflict(
                f"a directory lies where blob {digest} belongs", "remove it: nobody here has made it"
            ) from error
        sync_directory(str(target.parent))

    def sync(self) -> None:
        """Make the names of all blobs durable: one call for many commits."""
        for folder in (self._root, *self._root.iterdir()):
            fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)

    def digests(self) -> Iterator[str]:
        """Go through all that is there."""
        for folder in os.scandir(self._root):
            for entry in os.scandir(folder.path):
                with contextlib.suppress(errors.InvalidInput):
                    yield digests.parse(f"{folder.name}:{entry.name}")

    def remove(self, digest: str) -> int:
        """Remove a blob if it is there and return the bytes it had; only for who holds CONTENT_LOCK alone."""
        found = self._find(digest)
        if found is None:
            return 0
        os.unlink(self.path(digest))
        return found.st_size

    def added(self, digest: str) -> float:
        """Return when the blob came in or was last kept, in seconds since the epoch."""
        found = self._find(digest)
        return found.st_mtime if found else 0.0

    def _find(self, digest: str) -> os.stat_result | None:
        try:
            found = os.lstat(f"{self._root}/{digests.path(digest)}")
        except FileNotFoundError:
            return None
        return found if stat.S_ISREG(found.st_mode) else None

    def open_fd(self, digest: str, size: int | None) -> int:
        """Open a blob and return its descriptor; what is read from it is not verified.

        Raises: NotFound; DigestMismatch for another size, or what is no regular file.
        """
        try:
            # A link or a FIFO planted here must neither lead out of the store nor block.
            fd = os.open(self.path(digest), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            raise _missing(digest) from None
        except OSError as error:
            raise _damaged(digest) from error
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode) or size not in (None, found.st_size):
            os.close(fd)
            raise _damaged(digest)
        return fd


class Writer:
    """Takes the bytes of one blob; made by `Blobs.writer`."""

    def __init__(self, home: Home, root: Path, expected: Descriptor | None, fd: int, path: str) -> None:
        self.home, self._root, self._expected = home, root, expected
        self._hasher = digests.Hasher.like(expected.digest) if expected else digests.Hasher()
        self._path = path
        self._file = os.fdopen(fd, "r+b", buffering=0)
        self._committed = False
        self.earlier_bytes = min(os.fstat(fd).st_size, expected.size if expected else 0)
        """What is there of it already, not verified."""
        self.is_kept = False
        """Whether what was written stays when it is not committed."""

    @property
    def size(self) -> int:
        """Bytes written so far."""
        return self._hasher.size

    @property
    def digest(self) -> str:
        """Digest of the bytes written so far."""
        return self._hasher.digest()

    def earlier(self, most: int) -> bytes:
        """Return the next of the bytes that are there already, and nothing after the last; then write."""
        data = self._file.read(min(most, self.earlier_bytes - self._hasher.size))
        self._hasher.update(data)
        return data

    def write(self, data: bytes | memoryview) -> int:
        """Add bytes; best in chunks of 64 KiB or more.

        Raises: DigestMismatch as soon as there are more bytes than expected.
        """
        self._hasher.update(data)
        if self._expected and self._hasher.size > self._expected.size:
            raise errors.DigestMismatch(
                f"blob {self._expected.digest} has more than the {self._expected.size} bytes it should have"
            )
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) :]
        self.home.moved(len(data))
        return len(data)

    def commit(self, media_type: str = "application/octet-stream") -> Descriptor:
        """Verify the blob, bring it to the disk and give it its name.

        Raises: DigestMismatch, and then nothing remains.
        """
        result = Descriptor(media_type=media_type, digest=self.digest, size=self.size)
        if self._expected:
            _compare(result, self._expected)
            result = self._expected
        os.fsync(self._file.fileno())
        target = self._root / digests.path(result.digest)
        with self.home.lock(CONTENT_LOCK, shared=True):
            os.makedirs(target.parent, mode=0o700, exist_ok=True)
            os.rename(self._path, target)  # also over an older copy: that heals one which was damaged
        self._committed = True
        return result

    def close(self) -> None:
        """Drop what was not committed, unless it is kept."""
        if not self._committed and not (self.is_kept and os.fstat(self._file.fileno()).st_size):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._path)
        self._file.close()


def _partial_name(expected: Descriptor) -> str:
    return expected.digest.replace(":", "-")


@contextlib.contextmanager
def _closed(writer: Writer) -> Iterator[None]:
    """Close a writer at the end, and say what a full disk means."""
    try:
        yield
    except OSError as error:
        if not is_full(error):
            raise
        writer.is_kept = False
        raise errors.Unavailable(
            f"no space left below {writer.home.root}", "free some with `image prune` or `system prune`"
        ) from error
    finally:
        writer.close()


def _compare(found: Descriptor, expected: Descriptor) -> None:
    if found.size != expected.size:
        raise errors.DigestMismatch(
            f"blob {expected.digest} has {found.size} bytes where {expected.size} were announced"
        )
    if found.digest != expected.digest:
        raise errors.DigestMismatch(f"blob {expected.digest} turned out to be {found.digest}")


class _Verified(io.RawIOBase):
    def __init__(self, fd: int, expected: Descriptor, moved: Callable[[int], None]) -> None:
        self._file = os.fdopen(fd, "rb", buffering=0)
        self._moved = moved
        self._expected = expected
        self._hasher = digests.Hasher.like(expected.digest)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer) -> int:
        count = self._file.readinto(buffer) or 0
        self._hasher.update(memoryview(buffer)[:count])
        self._moved(count)
        if count == 0 and len(memoryview(buffer)) and self._hasher.digest() != self._expected.digest:
            raise _damaged(self._expected.digest)
        return count

    def close(self) -> None:
        self._file.close()
        super().close()


def _missing(digest: str) -> errors.NotFound:
    return errors.NotFound(f"no such blob: {digest}", "load or pull its image again")


def _damaged(digest: str) -> errors.DigestMismatch:
    return errors.DigestMismatch(
        f"blob {digest} is damaged in the store", "remove its image, then load or pull it again"
    )
