"""What an image is read from: a tar archive or a directory, whose members have names.

The names of an archive are looked up and never become paths.
"""

from __future__ import annotations

import os
import posixpath
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

from containerlab import errors
from containerlab.oci import digest as digests
from containerlab.oci.image import MAX_DOCUMENT_BYTES, Descriptor
from containerlab.store import tar_read
from containerlab.store.blobs import Blobs
from containerlab.store.compression import opened

__all__ = ["Archive", "Directory", "Source", "entries"]

_BLOB = re.compile(r"blobs/(sha256|sha512)/([0-9a-f]+)")
_DOCUMENT = re.compile(r"[^/]*\.json|oci-layout|repositories")
_MOST_MEMBERS = 100_000
_MOST_DOCUMENTS_BYTES = 64 << 20
_MOST_LINKS = 8


class Source(Protocol):
    """Documents by name, and blobs that can be had."""

    def has(self, name: str) -> bool: ...

    def document(self, name: str) -> bytes:
        """Return a document. Raises: CorruptContent when it is missing or too large."""

    def fetch(self, blob: Descriptor) -> None:
        """See that the blob is in the store. Raises: CorruptContent when the source lacks it."""


class Directory:
    """An OCI image layout, out of which no link leads."""

    def __init__(self, blobs: Blobs, path: Path) -> None:
        self._blobs, self._path = blobs, path

    def has(self, name: str) -> bool:
        return (self._path / name).is_file()

    def document(self, name: str) -> bytes:
        with self._open(name) as file:
            raw = file.read(MAX_DOCUMENT_BYTES + 1)
        if len(raw) > MAX_DOCUMENT_BYTES:
            raise errors.CorruptContent(f"{self._path / name} has more than {MAX_DOCUMENT_BYTES} bytes")
        return raw

    def fetch(self, blob: Descriptor) -> None:
        if not self._blobs.keep(blob):
            with self._open(f"blobs/{digests.path(blob.digest)}") as file:
                self._blobs.copy(file, blob)

    def _open(self, name: str) -> BinaryIO:
        try:
            fd = os.open(self._path / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise errors.CorruptContent(f"{self._path} lacks {name}: {error.strerror}") from error
        file = os.fdopen(fd, "rb")
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            file.close()
            raise errors.CorruptContent(f"{name} in {self._path} is not a file")
        return file


class Archive:
    """A tar archive, compressed or not, read once from start to end: a pipe will do.

    Documents are kept in memory, everything else becomes a blob of the store at once, verified where its name
    is a digest. So hold a lease, and collect what turns out to be of no use.

    proves: a blob counts only when its bytes are in the archive: that the store has it is no help, and its
    digest no right to it. Otherwise what the store has is not read again.
    """

    def __init__(self, blobs: Blobs, stream: BinaryIO, *, proves: bool = False) -> None:
        self._blobs, self._proves = blobs, proves
        self._documents: dict[str, bytes] = {}
        self._stored: dict[str, Descriptor] = {}
        self._links: dict[str, str] = {}
        reader = tar_read.Reader(opened(stream).read)
        for count, entry in enumerate(entries(reader)):
            if count == _MOST_MEMBERS:
                raise errors.HostileArchive(f"the archive has more than {_MOST_MEMBERS} members")
            self._take(entry, reader)

    def has(self, name: str) -> bool:
        name = posixpath.normpath(name)
        return name in self._documents or name in self._stored or name in self._links

    def document(self, name: str) -> bytes:
        found = self._follow(name)
        if found in self._documents:
            return self._documents[found]
        return self._blobs.read(self.blob(found).digest)

    def fetch(self, blob: Descriptor) -> None:
        is_proven = not self._proves or blob.digest in self.digests()
        if not is_proven or not self._blobs.keep(blob):
            raise errors.CorruptContent(f"the archive lacks the blob {blob.digest} of {blob.size} bytes")

    def digests(self) -> set[str]:
        """Return the digests of all that is in the archive."""
        stored = {each.digest for each in self._stored.values()}
        return stored | {digests.of(each) for each in self._documents.values()}

    def blob(self, name: str) -> Descriptor:
        """Return what a member became in the store. Raises: CorruptContent when there is none."""
        found = self._follow(name)
        if found not in self._stored:
            raise errors.CorruptContent(f"the archive lacks {name}")
        return self._stored[found]

    def _follow(self, name: str) -> str:
        """Docker writes a layer that two images share once, and links to it."""
        name = posixpath.normpath(name)
        for _ in range(_MOST_LINKS):
            if name not in self._links:
                return name
            name = self._links[name]
        raise errors.HostileArchive(f"the archive has links in a circle at {name}")

    def _take(self, entry: tar_read.Entry, reader: tar_read.Reader) -> None:
        name = posixpath.normpath(os.fsdecode(entry.name))
        for known in (self._documents, self._stored, self._links):  # of several members the last counts
            known.pop(name, None)
        if entry.kind == tar_read.SYMLINK:
            target = posixpath.join(posixpath.dirname(name), os.fsdecode(entry.link))
            self._links[name] = posixpath.normpath(target)
        elif entry.kind == tar_read.HARD_LINK:
            self._links[name] = posixpath.normpath(os.fsdecode(entry.link))
        elif entry.kind == tar_read.FILE and _DOCUMENT.fullmatch(name):
            self._documents[name] = self._read(name, entry, reader)
        elif entry.kind == tar_read.FILE:
            self._stored[name] = self._store(name, entry, reader)

    def _read(self, name: str, entry: tar_read.Entry, reader: tar_read.Reader) -> bytes:
        total = entry.size + sum(map(len, self._documents.values()))
        if entry.size > MAX_DOCUMENT_BYTES or total > _MOST_DOCUMENTS_BYTES:
            raise errors.HostileArchive(f"{name} of the archive has {entry.size} bytes")
        return b"".join(piece for _, piece in reader.data())

    def _store(self, name: str, entry: tar_read.Entry, reader: tar_read.Reader) -> Descriptor:
        expected = _expected(name, entry.size)
        if expected and not self._proves and self._blobs.keep(expected):
            return expected
        with self._blobs.writer(expected) as writer:
            if entry.pieces is not None:
                raise errors.HostileArchive(f"{name} of the archive is a sparse file")
            for _, piece in reader.data():
                writer.write(piece)
            return writer.commit()


def entries(reader: tar_read.Reader) -> Iterator[tar_read.Entry]:
    """Go through an archive; what is wrong before its first member is said of the whole."""
    count = 0
    try:
        for entry in reader:
            count += 1
            yield entry
    except errors.CorruptContent as error:
        if count:
            raise
        raise errors.CorruptContent(f"this is not a tar archive: {error.message}", "see `file`") from error


def _expected(name: str, size: int) -> Descriptor | None:
    found = _BLOB.fullmatch(name)
    if not found:
        return None
    return Descriptor(media_type="application/octet-stream", digest=f"{found[1]}:{found[2]}", size=size)
