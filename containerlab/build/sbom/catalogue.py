"""Find the packages of an image in its layers, each read once, without running or unpacking anything."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from containerlab import errors
from containerlab.build.result.purl import purl
from containerlab.build.sbom import apk, dpkg, fields, languages, rpm
from containerlab.build.sbom.package import Package, System
from containerlab.oci.image import Descriptor
from containerlab.store import tar_write as tar
from containerlab.store.blobs import Blobs
from containerlab.store.flatten import Found, Merger, Visit, read_own
from containerlab.store.layer_reader import layer_reader
from containerlab.store.tar_read import Entry, Reader

__all__ = ["Catalogue", "catalogue"]

_MOST_FILE_BYTES, _MOST_LIST_BYTES = 4 << 20, 64 << 20
_MOST_DATABASE_BYTES, _MOST_TOGETHER_BYTES = 512 << 20, 1 << 30
"""Larger ones are not read: nobody's package list is so long, and nobody's archive may fill the memory."""
_LISTS = (b"/dpkg/status", b"/apk/db/installed")


class Catalogue(NamedTuple):
    """What was found; notices: sentences about what is there and was not read."""

    packages: tuple[Package, ...]
    system: System
    notices: tuple[str, ...]


_Read = Callable[[bytes, System], Iterator[Package]]

_READERS: tuple[tuple[re.Pattern[bytes], _Read], ...] = (
    (re.compile(rb"var/lib/dpkg/status(?:\.d/[^/]+(?<!\.md5sums))?"), dpkg.packages),
    (re.compile(rb"(?:usr/)?lib/apk/db/installed"), apk.packages),
    (re.compile(rb"(?:var/lib/rpm|usr/lib/sysimage/rpm|usr/share/rpm)/rpmdb\.sqlite"), rpm.packages),
    (re.compile(rb"(?:.*/)?[^/]+\.(?:dist-info/METADATA|egg-info(?:/PKG-INFO)?)"), languages.python),
    (re.compile(rb"(?:.*/)?node_modules/(?:@[^/]+/)?[^/]+/package\.json"), languages.npm),
)
_SYSTEM = (b"etc/os-release", b"usr/lib/os-release")
_COPYRIGHT = re.compile(rb"usr/share/doc/([^/]+)/copyright")
_UNREAD = {
    b"Packages": "a Berkeley DB of rpm, which only rpm before 4.16 writes",
    b"Packages.db": "an ndb of rpm",
}
_UNREAD_FOLDERS = (b"var/lib/rpm", b"usr/lib/sysimage/rpm")


def catalogue(blobs: Blobs, layers: Sequence[tuple[Descriptor, str]]) -> Catalogue:
    """Return the packages that are seen in an image; layers: blobs and diff ids, lowest first.

    A package belongs to the lowest layer in which the file that tells of it has it.

    Raises: NotFound, CorruptContent, HostileArchive.
    """
    merger, taker = Merger(), _Taker()
    for index, (layer, _) in reversed(list(enumerate(layers))):
        with layer_reader(blobs, layer) as reader:
            merger.add_below(index, read_own(reader, taker.of_layer(index, reader)))
    contents = taker.contents
    seen = {path: content for path, found in merger.nodes.items() if (content := contents.get(_key(found)))}
    system = _system(seen)
    finder = _Finder(merger.nodes, seen, system, _Versions(contents, layers, system))
    packages = finder.packages()
    unread = [path for path in sorted(merger.nodes) if _is_unread(path)]
    notices = [f"/{path.decode()} is {_UNREAD[path.rpartition(b'/')[2]]}: not read" for path in unread]
    return Catalogue(tuple(packages), system, (*notices, *taker.notices, *finder.notices))


_Contents = dict[tuple[int, int], tuple[bytes, bytes]]
"""By layer and number of the entry: path and content."""


class _Taker:
    """Keeps the contents of the files that matter while layers are read."""

    def __init__(self) -> None:
        self.contents: _Contents = {}
        self.notices: list[str] = []
        self._room = _MOST_TOGETHER_BYTES

    def of_layer(self, index: int, reader: Reader) -> Visit:
        def take(number: int, path: bytes, entry: Entry) -> None:
            if entry.kind == tar.FILE and _is_wanted(path) and self._has_room(path, entry.size):
                content = bytearray(entry.size)
                for offset, piece in reader.data():
                    content[offset : offset + len(piece)] = piece
                self.contents[index, number] = path, bytes(content)

        return take

    def _has_room(self, path: bytes, size: int) -> bool:
        most = _MOST_LIST_BYTES if path.endswith(_LISTS) else _MOST_FILE_BYTES
        most = _MOST_DATABASE_BYTES if path.endswith(b".sqlite") else most
        if size > min(most, self._room):
            self.notices.append(f"/{path.decode('utf-8', 'replace')} has {size} bytes, too many: not read")
            return False
        self._room -= size
        return True


def _is_wanted(path: bytes) -> bool:
    return path in _SYSTEM or bool(_COPYRIGHT.fullmatch(path)) or _reader_of(path) is not None


def _reader_of(path: bytes) -> _Read | None:
    return next((read for pattern, read in _READERS if pattern.fullmatch(path)), None)


def _is_unread(path: bytes) -> bool:
    above, _, name = path.rpartition(b"/")
    return name in _UNREAD and above in _UNREAD_FOLDERS


def _key(found: Found) -> tuple[int, int]:
    return found.layer, found.number


def _system(seen: Mapping[bytes, tuple[bytes, bytes]]) -> System:
    content = next((seen[path][1] for path in _SYSTEM if path in seen), b"")
    found = fields.assignments(content.decode("utf-8", "replace"))
    return System(
        id=found.get("ID", ""), version=found.get("VERSION_ID", ""), name=found.get("PRETTY_NAME", "")
    )


class _Versions:
    """What each layer's version of a file tells: where a package came from."""

    def __init__(self, contents: _Contents, layers: Sequence[tuple[Descriptor, str]], system: System) -> None:
        self._layers = layers
        self._by_path: dict[bytes, list[tuple[int, frozenset[Package]]]] = {}
        for (index, _), (path, content) in sorted(contents.items()):
            if read := _reader_of(path):
                self._by_path.setdefault(path, []).append((index, frozenset(_read(read, content, system))))

    def layer_of(self, path: bytes, package: Package, top: int) -> str:
        """Return the diff id of the lowest layer from which on the file has this package."""
        lowest = top
        for index, packages in reversed(self._by_path.get(path, [])):
            if index <= top:
                if package not in packages:
                    break
                lowest = index
        return self._layers[lowest][1]


def _read(read: _Read, content: bytes, system: System) -> list[Package]:
    try:
        return list(read(content, system))
    except errors.CorruptContent:  # what is seen of it at last is said by `_Finder`
        return []


class _Finder:
    """Brings together what files say of packages."""

    def __init__(
        self,
        nodes: Mapping[bytes, Found],
        seen: Mapping[bytes, tuple[bytes, bytes]],
        system: System,
        versions: _Versions,
    ) -> None:
        self._nodes, self._seen, self._system, self._versions = nodes, seen, system, versions
        self.notices: list[str] = []
        self._licences = {
            match[1]: content for path, (_, content) in seen.items() if (match := _COPYRIGHT.fullmatch(path))
        }

    def packages(self) -> list[Package]:
        """Return all packages, sorted by kind and name."""
        found = [each for path in self._seen for each in self._in_file(path)]
        return sorted(found, key=lambda each: (each.kind, each.namespace, each.name, each.version, each.path))

    def _in_file(self, path: bytes) -> Iterator[Package]:
        read = _reader_of(path)
        try:
            found = list(read(self._seen[path][1], self._system)) if read else []
        except errors.CorruptContent as error:
            self.notices.append(f"/{path.decode('utf-8', 'replace')}: {error.message}")
            return
        for package in found:
            yield msgspec.structs.replace(
                package,
                licence=self._licence(package),
                path="/" + path.decode("utf-8", "replace"),
                layer=self._versions.layer_of(path, package, self._nodes[path].layer),
                purl=_purl(package, self._system),
            )

    def _licence(self, package: Package) -> str:
        text = self._licences.get(package.name.encode()) if package.kind == "deb" else None
        return dpkg.licence(text) if text else package.licence


def _purl(package: Package, system: System) -> str:
    qualifiers = {}
    if package.kind in ("deb", "apk", "rpm"):
        qualifiers = {
            "arch": package.architecture,
            "epoch": package.epoch,
            "upstream": package.source,
            "distro": system.distro,
        }
    return purl(package.kind, package.name, package.version, package.namespace, qualifiers)
