"""Which files of its source a COPY or an ADD takes.

Only the standard library: see `store/trees.py`.
Source: BuildKit, solver/llbsolver/file/backend.go (docopy), frontend/dockerfile/dockerfile2llb
(dispatchCopy); tonistiigi/fsutil, copy/copy.go.
"""

from __future__ import annotations

import os
import posixpath
import stat
from collections.abc import Iterator
from typing import NamedTuple

from containerlab.build.files import glob
from containerlab.build.files.ignore import Matcher, Verdict
from containerlab.build.files.selection import Selection, Source
from containerlab.build.files.tree import Filter, Node, Tree
from containerlab.errors import NotFound, nearest

__all__ = ["Match", "Pick", "opened", "picks"]


class Match(NamedTuple):
    """What a path of the instruction stands for; with wildcards there may be several.

    name: the last name of it. content: of a file that stands in the Dockerfile, else None.
    """

    name: bytes
    node: Node | None
    content: bytes | None = None

    @property
    def is_directory(self) -> bool:
        return self.node is not None and self.node.is_directory


class Pick(NamedTuple):
    """A file, directory, link or node that is taken.

    path: relative to the match, empty for that itself. folder: an open directory that has it under `name`,
    or that it is (`name` is empty), until the next one is asked for. status: None for inline content.
    """

    match: Match
    path: bytes
    status: os.stat_result | None
    folder: int
    name: bytes


def opened(source: Source) -> Tree:
    """Open the tree of a source; it is to be closed."""
    return Tree(source.roots, source.ignore, is_layered=not source.is_context)


def picks(tree: Tree, source: Source, selection: Selection) -> Iterator[Pick]:
    """Yield what is taken, in the order of the instruction, parents before children.

    Without paths that is every inline file.

    Raises: NotFound for a path that is not there, InvalidInput for a malformed pattern.
    """
    excludes = Matcher(selection.excludes) if selection.excludes else None
    inline = dict(source.inline)
    for path in selection.paths or inline:
        if path in inline:
            match = Match(os.fsencode(posixpath.basename(path)), None, inline[path])
            yield Pick(match, b"", None, -1, match.name)
        else:
            yield from _picks_of(tree, path, excludes, keeps_parents=selection.keeps_parents)


def _picks_of(tree: Tree, path: str, excludes: Matcher | None, *, keeps_parents: bool) -> Iterator[Pick]:
    filters: list[Filter] = [excludes] if excludes else []
    if keeps_parents:
        path, pattern = _pivot(path)
        if pattern:
            _require(tree, path, pattern)
            filters.insert(0, _Include(pattern))
    for match in _matches(tree, path):
        assert match.node is not None
        if match.is_directory:
            for entry in tree.walk(match.node, filters):
                yield Pick(match, *entry)
        else:
            yield from _file(tree, match)


def _file(tree: Tree, match: Match) -> Iterator[Pick]:
    node = match.node
    assert node is not None
    with tree.open_folder(node) as folder:
        yield Pick(match, b"", node.status, folder, node.path.rpartition(b"/")[2])


def _pivot(path: str) -> tuple[str, str]:
    """Split a path of --parents into the folder whose structure does not count, and what is below it."""
    above, pivot, below = path.partition("/./")
    if not pivot:
        above, below = "/", path
    return above or "/", _clean(below)


def _clean(path: str) -> str:
    """Return a path relative to the root that it cannot leave; empty for the root."""
    return posixpath.normpath("/" + path).lstrip("/")


def _require(tree: Tree, above: str, pattern: str) -> None:
    if not glob.has_wildcards(above) and not glob.has_wildcards(pattern):
        path = _clean(f"{above}/{glob.plain(pattern)}")
        if tree.find(os.fsencode(path)) is None:
            raise _missing(tree, path)


class _Include:
    """Hides what a pattern does not match, but for the folders on the way to what it does."""

    def __init__(self, pattern: str) -> None:
        self._matcher = Matcher([pattern])

    def judge(self, path: str, parent: Verdict) -> Verdict:
        inner = self._matcher.judge(path, parent._replace(is_ignored=bool(parent.matched)))
        return Verdict(not inner.is_ignored, inner.matched)

    def may_keep_below(self, directory: str, verdict: Verdict) -> bool:
        return self._matcher.may_match_below(directory)


def _matches(tree: Tree, path: str) -> Iterator[Match]:
    """Yield what a path with wildcards stands for, by name.

    Links in front of the first wildcard are followed, and each match that is one; those in between are not.
    """
    parts = _clean(path).split("/")
    count = next((i for i, part in enumerate(parts) if glob.has_wildcards(part)), len(parts))
    before, start = _find_plain(tree, "/".join(parts[:count]))
    if count == len(parts):
        if start is None:
            raise _missing(tree, before)
        yield Match(os.fsencode(posixpath.basename(before)), start)
        return
    for found in _expand(tree, start, parts[count:]):
        target = tree.find(found.path)
        name = found.path.rpartition(b"/")[2]
        if target is None:
            raise _missing(tree, os.fsdecode(found.path))
        yield Match(name, target)


def _find_plain(tree: Tree, path: str) -> tuple[str, Node | None]:
    """Find a path without wildcards: as it is written, or without its escapes."""
    node = tree.find(os.fsencode(path))
    if node is None and "\\" in path:
        path = glob.plain(path)
        node = tree.find(os.fsencode(path))
    return path, node


def _expand(tree: Tree, start: Node | None, parts: list[str]) -> Iterator[Node]:
    if start is None or not start.is_directory:
        return
    wanted = glob.compile(parts[0])
    for child in tree.children(start):
        if not wanted.fullmatch(os.fsdecode(child.path.rpartition(b"/")[2])):
            continue
        if len(parts) == 1:
            yield child
        elif stat.S_ISDIR(child.status.st_mode):
            yield from _expand(tree, child, parts[1:])


def _missing(tree: Tree, path: str) -> NotFound:
    place = os.fsdecode(tree.resolve(os.fsencode(path)))
    shown = path or "/"
    if place != path:
        shown += f", a link to {place}"
    if tree.is_ignored(os.fsencode(path)):
        hint = "take it back there with a line that begins with `!`"
        return NotFound(f"cannot copy {shown}: it is left out by the .dockerignore file", hint)
    return NotFound(f"cannot copy {shown}: it is not there", "" if place != path else _nearest(tree, path))


def _nearest(tree: Tree, path: str) -> str:
    above, _, name = path.rpartition("/")
    folder = tree.find(os.fsencode(above))
    if folder is None or not folder.is_directory:
        return _nearest(tree, above) if above else ""
    return nearest(name, [os.fsdecode(child.path.rpartition(b"/")[2]) for child in tree.children(folder)])
