"""What layers show together becomes a list of files, as file systems know them: one node, many names."""

from __future__ import annotations

from typing import NamedTuple

from containerlab.errors import HostileArchive
from containerlab.store import tar_write as tar
from containerlab.store.flatten import Merged
from containerlab.store.tar_read import Entry

__all__ = ["MODES", "Node", "Tree", "tree_of"]

MODES = {kind: mode for mode, kind in tar.KINDS.items()}
"""What of a mode says the kind of an entry."""

_MISSING = Entry(b"", tar.DIRECTORY, 0o755, 0, 0, 0, 0, b"", (0, 0), {}, None)
"""A directory that no layer describes, though there is something in it."""


class Node(NamedTuple):
    """A file of any kind. names: its paths from the root, sorted; a directory has one, the root is empty."""

    names: tuple[bytes, ...]
    entry: Entry

    @property
    def is_directory(self) -> bool:
        return self.entry.kind == tar.DIRECTORY


class Tree(NamedTuple):
    """All nodes.

    numbers: of them, by path. children: what is in each directory, by its path: names and numbers of nodes.
    Nodes are in the order in which the layers have them, the lowest first, so that a change in the topmost
    layer moves nothing of those below; but the first is the root.
    """

    nodes: list[Node]
    numbers: dict[bytes, int]
    children: dict[bytes, list[tuple[bytes, int]]]


def tree_of(merged: Merged) -> Tree:
    """Return what layers show.

    Raises: HostileArchive when something lies in what is no directory.
    """
    nodes = _nodes(merged)
    numbers = {name: number for number, node in enumerate(nodes) for name in node.names}
    children: dict[bytes, list[tuple[bytes, int]]] = {
        node.names[0]: [] for node in nodes if node.is_directory
    }
    for path, number in sorted(numbers.items()):
        if path:
            above, _, name = path.rpartition(b"/")
            children[above].append((name, number))
    return Tree(nodes, numbers, children)


def _nodes(merged: Merged) -> list[Node]:
    names: dict[tuple[int, int, bytes], list[bytes]] = {}
    entries: dict[tuple[int, int, bytes], Entry] = {}
    for path, (layer, number, entry) in sorted(merged.nodes.items()):
        # Each directory is its own, the same name written twice in an archive or not.
        key = (layer, number, path if entry.kind == tar.DIRECTORY else b"")
        names.setdefault(key, []).append(path)
        entries[key] = entry
    root = merged.nodes[b""].entry if b"" in merged.nodes else _MISSING
    found = [Node(tuple(names[key]), entries[key]) for key in sorted(names) if names[key] != [b""]]
    missing = [Node((path,), _MISSING) for path in sorted(_missing(merged))]
    return [Node((b"",), root), *missing, *found]


def _missing(merged: Merged) -> set[bytes]:
    missing: set[bytes] = set()
    for path in merged.nodes:
        above = path.rpartition(b"/")[0]
        while above and above not in missing:
            found = merged.nodes.get(above)
            if found is None:
                missing.add(above)
            elif found.entry.kind == tar.DIRECTORY:
                break
            else:
                raise HostileArchive(f"the archive puts {path!r} into what is no directory")
            above = above.rpartition(b"/")[0]
    return missing
