"""Archives that ADD unpacks: tar, plain or compressed with gzip, bzip2, xz or zstd, told by their content.

Nothing leaves the destination: names that lead out are refused, links in the archive and in the image lead
where they would with the destination as `/`.
What decompresses is loaded when an archive is there; the rest needs only the standard library.
Source: BuildKit, solver/llbsolver/file/unpack_root.go; Dockerfile reference, "ADD".
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable
from typing import BinaryIO

from containerlab.build.files.landing import Landing
from containerlab.build.files.tar_stream import TarStream
from containerlab.errors import CorruptContent, HostileArchive
from containerlab.store import overlay, tar_copy
from containerlab.store import tar_write as tar
from containerlab.store.paths import join
from containerlab.store.tar_read import Entry, Reader, is_header
from containerlab.store.tar_write import Member
from containerlab.store.unpack import name_inside

__all__ = ["Unpacking", "is_archive"]

_MAGICS = (b"\x1f\x8b\x08", b"BZh", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd")
"""How gzip, bzip2, xz and zstd begin."""
_MOST_LINKS = 255
_START = 512


def is_archive(file: BinaryIO) -> bool:
    """Tell whether a file is a tar archive, compressed or not; it is at its start afterwards."""
    try:
        return is_header(_reader(file)(_START))
    except CorruptContent:
        return False
    finally:
        file.seek(0)


def _reader(file: BinaryIO) -> Callable[[int], bytes]:
    start = file.read(_START)
    file.seek(0)
    if not start.startswith(_MAGICS):
        return file.read
    from containerlab.store.compression import opened

    return opened(file).read


class Unpacking:
    """Writes what is in an archive into a layer, below the place of the landing.

    adapt: gives a member its final owner and time. need: writes the folders down to a path, where they are
    not in the layer yet.
    """

    def __init__(
        self,
        stream: TarStream,
        landing: Landing,
        adapt: Callable[[Member], Member],
        need: Callable[[bytes], None],
    ) -> None:
        self._stream = stream
        self._place = landing.place
        self._landing = landing
        self._adapt = adapt
        self._need = need
        self._links: dict[bytes, bytes] = {}
        self._parents: dict[bytes, bytes] = {}
        self._files = 0
        self._total_bytes = 0

    def run(self, file: BinaryIO) -> tuple[int, int]:
        """Unpack all; return the number of files and the bytes in them.

        Raises: HostileArchive, CorruptContent.
        """
        reader = Reader(_reader(file))
        for entry in reader:
            name = name_inside(entry.name)
            if name:
                self._entry(entry, name, reader)
        return self._files, self._total_bytes

    def _entry(self, entry: Entry, name: bytes, reader: Reader) -> None:
        is_directory = entry.kind == tar.DIRECTORY
        path = self._resolve(name) if is_directory else self._in_parent(name)
        if not path:
            return
        if path.rpartition(b"/")[2].startswith(overlay.WHITEOUT_PREFIX):
            raise HostileArchive(f"the archive's {os.fsdecode(path)} would delete something from the image")
        full = join(self._place, path)
        self._need(full.rpartition(b"/")[0])
        if is_directory:
            if self._landing.comes_after_a_file(full):
                self._stream.add(Member(full + b"/" + overlay.OPAQUE_NAME, tar.FILE))
            full += b"/"
        else:
            self._files += 1
        self._landing.note(full.rstrip(b"/"), is_directory=is_directory)
        self._forget(path)
        self._write(entry, full, path, reader)

    def _forget(self, path: bytes) -> None:
        if self._links.pop(path, None) is not None:
            self._parents.clear()

    def _write(self, entry: Entry, full: bytes, path: bytes, reader: Reader) -> None:
        xattrs = {name: value for name, value in entry.xattrs.items() if not overlay.is_own_attribute(name)}
        size = entry.size if entry.kind == tar.FILE else 0
        mtime = entry.mtime_ns // 1_000_000_000
        member = Member(
            full, entry.kind, entry.mode, entry.uid, entry.gid, size, mtime, b"", entry.device, xattrs
        )
        if entry.kind == tar.SYMLINK:
            member = member._replace(link=entry.link)
            self._links[path] = entry.link
            self._parents.clear()
        elif entry.kind == tar.HARD_LINK:
            member = member._replace(link=self._first_name(entry), xattrs={})
        elif entry.kind == tar.CHARACTER and entry.device == (0, 0):
            raise HostileArchive(f"the archive's {os.fsdecode(path)} is the impossible device 0:0")
        self._stream.add(self._adapt(member))
        if entry.kind == tar.FILE:
            for piece in tar_copy.content(reader, entry.size):
                self._stream.data(piece)
            self._total_bytes += entry.size

    def _first_name(self, entry: Entry) -> bytes:
        first = join(self._place, self._in_parent(name_inside(entry.link)))
        if not self._landing.has_written_file(first):
            raise CorruptContent(
                f"the archive's {os.fsdecode(entry.name)} is a hard link to {os.fsdecode(entry.link)}, "
                "which is not in it"
            )
        return first

    def _in_parent(self, name: bytes) -> bytes:
        """Return a name with the links on the way to it followed."""
        above, _, last = name.rpartition(b"/")
        if above not in self._parents:
            self._parents[above] = self._resolve(above) if above else b""
        return join(self._parents[above], last)

    def _resolve(self, name: bytes) -> bytes:
        """Return where a path leads, links followed, with the destination as the root.

        Raises: HostileArchive when a link leads out, or in circles.
        """
        done: list[bytes] = []
        pending = name.split(b"/")[::-1]
        for _ in range(_MOST_LINKS):
            while pending:
                done.append(pending.pop())
                link = self._link(b"/".join(done))
                if link is not None:
                    break
            else:
                return b"/".join(done)
            pending += self._target(b"/".join(done), link).split(b"/")[::-1]
            done = []
            pending = [each for each in pending if each]
        raise HostileArchive(f"the archive's {os.fsdecode(name)} leads in circles")

    def _link(self, path: bytes) -> bytes | None:
        if path in self._links:
            return self._links[path]
        full = join(self._place, path)
        return None if self._landing.has_written(full) else self._landing.link(full)

    @staticmethod
    def _target(path: bytes, link: bytes) -> bytes:
        """Return where a link leads, relative to the destination."""
        if link.startswith(b"/"):
            return posixpath.normpath(link).lstrip(b"/")
        target = posixpath.normpath(posixpath.join(posixpath.dirname(path), link))
        if target == b".." or target.startswith(b"../"):
            raise HostileArchive(f"the archive writes through {os.fsdecode(path)}, a link that leads out")
        return b"" if target == b"." else target
