"""Where the files of a COPY or an ADD arrive in the image, and what has to be there first.

Only the standard library: see `store/trees.py`.
Source: tonistiigi/fsutil, copy/copy.go (Copy, prepareTargetDir, copyDirectoryOnly, ensureEmptyFileTarget).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from containerlab.build.files.select import Match, Pick
from containerlab.build.files.selection import Selection, Target
from containerlab.build.files.tree import Node, Tree
from containerlab.errors import Conflict, InvalidInput
from containerlab.store.paths import join

__all__ = ["Arrival", "Landing"]


class Arrival(NamedTuple):
    """Something that the layer is to have.

    path: relative to the image's root. pick: what comes there; None for a folder that is only needed: then
    `node` is the one that the image has already, or None for a new one, and `mtime_s` its time, None for
    that of the node, or now. inherits: the group that a new folder takes from one with the set-group-id bit.
    """

    path: bytes
    pick: Pick | None
    node: Node | None = None
    mtime_s: int | None = None
    inherits: int | None = None


class Landing:
    """Finds the places in what lies below; a context manager."""

    def __init__(self, selection: Selection, target: Target) -> None:
        self._destination = os.fsencode(selection.destination)
        self._is_folder = selection.destination.endswith("/")
        self._tree = Tree(target.lowers, is_layered=True)
        self._place = self._tree.resolve(self._destination)
        self._made: dict[bytes, bool] = {}
        self._nodes: dict[bytes, Node | None] = {}
        self._groups: dict[bytes, int] = {}
        self._listed: tuple[bytes, frozenset[bytes]] | None = None

    def __enter__(self) -> Landing:
        return self

    def __exit__(self, *_: object) -> None:
        self._tree.close()

    @property
    def tree(self) -> Tree:
        """What lies below."""
        return self._tree

    def arrivals(self, picks: Iterable[Pick]) -> Iterator[Arrival]:
        """Yield what the layer is to have; each is to be written before the next is asked for.

        Raises: Conflict when a folder is in the place of a file, or the other way round; InvalidInput for
            several files that come to one name.
        """
        target = b""
        for pick in picks:
            if not pick.path:
                target = self._target(pick.match)
                yield from self._prepared(target, pick)
            path = join(target, pick.path)
            if pick.status is not None and stat.S_ISDIR(pick.status.st_mode):
                if pick.path:
                    self._refuse_file(path)
                    self._made[path] = True
                    yield Arrival(path, pick)
            else:
                self._refuse_folder(path)
                if path == self._place and path in self._made:
                    raise _one_name(path)
                self._made[path] = False
                yield Arrival(path, pick)

    @property
    def place(self) -> bytes:
        """Where the destination is when links are followed."""
        return self._place

    def _target(self, match: Match) -> bytes:
        place = self._place
        if match.is_directory:
            return place
        if self._is_folder or self.is_folder(place):
            return join(place, match.name)
        return place

    def _prepared(self, target: bytes, pick: Pick) -> Iterator[Arrival]:
        if not pick.match.is_directory:
            yield from self.folders(target.rpartition(b"/")[0])
            return
        yield from self.folders(target.rpartition(b"/")[0])
        assert pick.status is not None
        mtime_s = pick.status.st_mtime_ns // 1_000_000_000
        if target:
            yield self._folder(target)._replace(mtime_s=mtime_s)

    def folders(self, path: bytes) -> Iterator[Arrival]:
        """Yield the folders down to a path that the layer does not have yet."""
        at = 0
        while path and at >= 0:
            at = path.find(b"/", at + 1)
            above = path if at < 0 else path[:at]
            if not self._made.get(above):
                yield self._folder(above)

    def _folder(self, path: bytes) -> Arrival:
        self._refuse_file(path)
        self._made[path] = True
        node = self.node(path)
        inherits = None
        if node is None:
            above = path.rpartition(b"/")[0]
            inherits = self._groups.get(above)
            parent = self.node(above)
            if parent is not None and parent.status.st_mode & stat.S_ISGID:
                inherits = parent.status.st_gid
            if inherits is not None:
                self._groups[path] = inherits
        return Arrival(path, None, node, None, inherits)

    def node(self, path: bytes) -> Node | None:
        """Return what lies below at a path without links."""
        if path not in self._nodes:
            above, _, name = path.rpartition(b"/")
            parent = self.node(above) if path else None
            if not path:
                self._nodes[path] = self._tree.root
            elif parent is None or not parent.is_directory:
                self._nodes[path] = None
            else:
                self._nodes[path] = self._tree.step(parent, name)
        return self._nodes[path]

    def is_folder(self, path: bytes) -> bool:
        made = self._made.get(path)
        if made is not None:
            return made
        node = self.node(path)
        return not path or (node is not None and node.is_directory)

    def note(self, path: bytes, *, is_directory: bool) -> None:
        """Take notice of something that an archive puts into the layer."""
        self._made[path] = is_directory

    def has_written(self, path: bytes) -> bool:
        return path in self._made

    def has_written_file(self, path: bytes) -> bool:
        return self._made.get(path) is False

    def comes_after_a_file(self, path: bytes) -> bool:
        """Tell whether a folder takes the place of a file that took the place of a folder."""
        if not self.has_written_file(path):
            return False
        node = self.node(path)
        return node is not None and node.is_directory

    def link(self, path: bytes) -> bytes | None:
        """Return what a link below says, None if there is no link."""
        node = self.node(path)
        if node is None or not stat.S_ISLNK(node.status.st_mode):
            return None
        return self._tree.read_link(node)

    def _refuse_file(self, path: bytes) -> None:
        made = self._made.get(path)
        node = self.node(path) if made is None else None
        if made is False or (node is not None and not node.is_directory):
            raise Conflict(
                f"cannot copy a folder to /{os.fsdecode(path)}: there is a file of that name",
                "remove it in an earlier RUN, or choose another destination",
            )

    def _refuse_folder(self, path: bytes) -> None:
        made = self._made.get(path)
        if made or (made is None and self._has_folder(path)):
            raise Conflict(
                f"cannot copy a file to /{os.fsdecode(path)}: there is a folder of that name",
                "end the destination with a slash to copy into it",
            )

    def _has_folder(self, path: bytes) -> bool:
        above, _, name = path.rpartition(b"/")
        if self._listed is None or self._listed[0] != above:
            node = self.node(above)
            folders = self._tree.children(node) if node is not None and node.is_directory else []
            names = frozenset(each.path.rpartition(b"/")[2] for each in folders if each.is_directory)
            self._listed = (above, names)
        return name in self._listed[1]


def _one_name(path: bytes) -> InvalidInput:
    return InvalidInput(
        f"cannot copy several files to the one name /{os.fsdecode(path)}",
        "end the destination with a slash to copy into a folder",
    )
