"""Layers above each other become one tar stream, from their archives alone.

Nothing is unpacked, so that owners, devices and attributes are as the layers say whoever asks. Each layer is
read twice: once for its headers, from the topmost down, and once for the contents that are still seen.
Source: OCI image-spec 1.1, layer.md, "Applying Changesets" and "Whiteouts".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from containerlab import errors
from containerlab.oci.image import Descriptor
from containerlab.store import overlay, tar_copy
from containerlab.store import tar_write as tar
from containerlab.store.blobs import Blobs
from containerlab.store.layer_reader import layer_reader
from containerlab.store.paths import join
from containerlab.store.tar_copy import Change
from containerlab.store.tar_read import Entry, Reader
from containerlab.store.unpack import name_inside

__all__ = [
    "Found",
    "Merged",
    "Merger",
    "Own",
    "Visit",
    "contents",
    "flattened",
    "merge",
    "read_own",
    "with_paths",
]

_MOST_LINKS = 40
_MOST_REPLACED = 1000

Visit = Callable[[int, bytes, Entry], None]
"""Takes the number of an entry of a layer, its path and itself."""


class Found(NamedTuple):
    """What is seen under a path: the entry, which layer it is of (0 is the lowest), and which of its entries.

    Names of one file have the same layer and number.
    """

    layer: int
    number: int
    entry: Entry


class Merged(NamedTuple):
    """What layers show together, by path from the root; and what they hide of layers below them."""

    nodes: dict[bytes, Found]
    whiteouts: frozenset[bytes]
    opaque: frozenset[bytes]


class Own(NamedTuple):
    """What one layer has: entries with their numbers, paths that it deletes, directories that it empties."""

    entries: dict[bytes, tuple[int, Entry]]
    whiteouts: set[bytes]
    opaque: set[bytes]


def merge(blobs: Blobs, layers: Sequence[Descriptor]) -> Merged:
    """Find out what is seen of layers, lowest first.

    Raises: NotFound, DigestMismatch, CorruptContent, HostileArchive.
    """
    merger = Merger()
    for index, layer in reversed(list(enumerate(layers))):
        with layer_reader(blobs, layer) as reader:
            merger.add_below(index, read_own(reader))
    return Merged(merger.nodes, frozenset(merger.whiteouts), frozenset(merger.opaque))


def flattened(
    blobs: Blobs,
    layers: Sequence[Descriptor],
    merged: Merged,
    change: Change = lambda entry: entry,
    *,
    whiteouts: bool = False,
) -> Iterator[bytes]:
    """Give the tar stream of what layers show, without its end (`tar_write.END`).

    Directories come first, then files layer by layer. change: what becomes of each entry; an entry that it
    leaves out takes the other names of the file with it. whiteouts: with what hides layers below these.
    """
    for path, found in sorted(merged.nodes.items()):
        if found.entry.kind == tar.DIRECTORY and (entry := change(found.entry._replace(name=path or b"."))):
            yield tar_copy.entry_bytes(entry)
    if whiteouts:
        yield from _whiteouts(merged)
    for names, entry, reader in contents(blobs, layers, merged):
        yield from _with_links(reader, entry, names, change)


def contents(
    blobs: Blobs, layers: Sequence[Descriptor], merged: Merged
) -> Iterator[tuple[list[bytes], Entry, Reader]]:
    """Go through all that is seen but directories, layer by layer, lowest first, as the archives have it.

    Gives the names of each file, sorted, its entry, and the reader whose current entry it is.
    """
    names = _names(merged)
    for index, layer in enumerate(layers):
        if wanted := {number: paths for (at, number), paths in names.items() if at == index}:
            with layer_reader(blobs, layer) as reader:
                for number, entry in enumerate(reader):
                    if number in wanted:
                        yield wanted[number], entry, reader


def read_own(reader: Reader, visit: Visit | None = None) -> Own:
    """Read the headers of a layer; of entries with the same name the last one counts.

    visit: is shown each entry, and may read its content.

    Raises: CorruptContent, HostileArchive.
    """
    own, replaced = Own({}, set(), set()), 0
    for number, (path, entry) in enumerate(with_paths(reader)):
        if visit is not None:
            visit(number, path, entry)
        above, _, name = path.rpartition(b"/")
        if name == overlay.OPAQUE_NAME:
            own.opaque.add(above)
        elif name.startswith(overlay.WHITEOUT_PREFIX):
            if not name.startswith(overlay.WHITEOUT_PREFIX * 2):  # other notes of aufs mean nothing here
                own.whiteouts.add(join(above, name.removeprefix(overlay.WHITEOUT_PREFIX)))
        else:
            replaced += _put(own.entries, path, number, entry)
            if replaced > _MOST_REPLACED:
                raise errors.HostileArchive("the archive replaces directories by files again and again")
    return own


def with_paths(reader: Reader) -> Iterator[tuple[bytes, Entry]]:
    """Go through a layer; give each entry with its path, links of the layer in its parents followed.

    The `link` of a hard link is such a path too. Raises: CorruptContent, HostileArchive.
    """
    links: dict[bytes, bytes] = {}
    for entry in reader:
        path = _followed(links, name_inside(entry.name))
        if entry.kind == tar.HARD_LINK:
            entry = entry._replace(link=_followed(links, name_inside(entry.link)))
        if entry.kind == tar.SYMLINK:
            links[path] = entry.link
        else:
            links.pop(path, None)
        yield path, entry


def _followed(links: dict[bytes, bytes], path: bytes) -> bytes:
    """Return a path as it is after links in its parents, as unpacking follows them within the root."""
    if not links:
        return path
    done, pending, count = b"", path.split(b"/")[::-1], 0
    while len(pending) > 1:
        name = pending.pop()
        if name in (b"", b".", b".."):
            done = done.rpartition(b"/")[0] if name == b".." else done
            continue
        target = links.get(join(done, name))
        if target is None or count == _MOST_LINKS:
            done = join(done, name)
            continue
        count += 1
        done = b"" if target.startswith(b"/") else done
        pending += target.split(b"/")[::-1]
    return join(done, pending[0])


def _put(entries: dict[bytes, tuple[int, Entry]], path: bytes, number: int, entry: Entry) -> bool:
    """Note an entry; tell whether it took the place of a directory, which takes a search."""
    old = entries.get(path)
    is_replacing = old is not None and old[1].kind == tar.DIRECTORY and entry.kind != tar.DIRECTORY
    if is_replacing:
        for below in [each for each in entries if each.startswith(path + b"/")]:
            del entries[below]
    if entry.kind != tar.HARD_LINK:
        entries[path] = number, entry
    elif entry.link in entries:
        entries[path] = entries[entry.link]
    else:
        raise errors.HostileArchive(f"the archive's {entry.name!r} is a hard link to nothing in its layer")
    return is_replacing


class Merger:
    """Takes layers from the topmost down; `nodes`, `whiteouts` and `opaque` are as those of `Merged`."""

    def __init__(self) -> None:
        self.nodes: dict[bytes, Found] = {}
        self.whiteouts: set[bytes] = set()
        self.opaque: set[bytes] = set()
        self._directories: set[bytes] = {b""}
        self._hidden: set[bytes] = set()
        """Paths of which nothing is seen in the layers below, nor what is under them."""
        self._emptied: set[bytes] = set()
        """Directories of which no content is seen in the layers below."""

    def add_below(self, index: int, own: Own) -> None:
        """Take the next lower layer."""
        hidden: set[bytes] = set()
        seen = {path: each for path, each in own.entries.items() if not self._is_hidden(path)}
        for path, (number, entry) in seen.items():
            is_directory = entry.kind == tar.DIRECTORY
            if not is_directory:
                hidden.add(path)
                if path in self._directories:
                    self.opaque.add(path)
                    continue
            if path not in self.nodes:
                self.nodes[path] = Found(index, number, entry)
        for path, (_, entry) in seen.items():
            self._note_directories(path if entry.kind == tar.DIRECTORY else path.rpartition(b"/")[0])
        for path in own.whiteouts:
            if not self._is_hidden(path):
                hidden.add(path)
                if path in self._directories:
                    self.opaque.add(path)
                elif path not in self.nodes:
                    self.whiteouts.add(path)
        emptied = {path for path in own.opaque if not self._is_hidden(join(path, b"."))}
        self.opaque |= emptied
        self._hidden |= hidden
        self._emptied |= emptied

    def _is_hidden(self, path: bytes) -> bool:
        while path and path not in self._hidden:
            path = path.rpartition(b"/")[0]
            if path in self._emptied:
                return True
        return bool(path)

    def _note_directories(self, path: bytes) -> None:
        while path not in self._directories:
            self._directories.add(path)
            path = path.rpartition(b"/")[0]


def _names(merged: Merged) -> dict[tuple[int, int], list[bytes]]:
    """Return the paths of each file, sorted, by its layer and number there."""
    names: dict[tuple[int, int], list[bytes]] = {}
    for path, found in sorted(merged.nodes.items()):
        if found.entry.kind != tar.DIRECTORY:
            names.setdefault((found.layer, found.number), []).append(path)
    return names


def _with_links(reader: Reader, entry: Entry, names: list[bytes], change: Change) -> Iterator[bytes]:
    first, *others = names
    if (changed := change(entry._replace(name=first))) is None:
        return
    yield from tar_copy.copied(reader, entry, changed)
    for name in others:
        link = entry._replace(name=name, kind=tar.HARD_LINK, link=first, xattrs={})
        if (changed_link := change(link)) is not None:
            yield tar_copy.entry_bytes(changed_link)


def _whiteouts(merged: Merged) -> Iterator[bytes]:
    for path in sorted(merged.opaque):
        yield tar.header(tar.Member(join(path, overlay.OPAQUE_NAME), tar.FILE))
    for path in sorted(merged.whiteouts):
        above, _, name = path.rpartition(b"/")
        yield tar.header(tar.Member(join(above, overlay.WHITEOUT_PREFIX + name), tar.FILE))
