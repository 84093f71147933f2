"""The files that COPY and ADD can take: a folder without what is ignored, or the merged layers of a stage.

By descriptors, and never out of the roots: a link leads where it would lead with the root as `/`. One
directory is open at a time, whatever the depth. Only the standard library: see `store/trees.py`.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

from containerlab.build.files.ignore import NONE, Matcher, Verdict
from containerlab.linux import syscalls
from containerlab.store import overlay
from containerlab.store.paths import join

__all__ = ["Entry", "Filter", "Node", "Tree"]

_OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_WITHOUT_LINKS = syscalls.RESOLVE_BENEATH | syscalls.RESOLVE_NO_SYMLINKS
_MOST_LINKS = 255


class Node(NamedTuple):
    """Something in a tree.

    path: where it is, without links, relative to the root; empty for the root.
    layers: numbers of the roots that have it: those that are merged for a directory, topmost first.
    """

    path: bytes
    status: os.stat_result
    layers: tuple[int, ...]

    @property
    def is_directory(self) -> bool:
        return stat.S_ISDIR(self.status.st_mode)


class Entry(NamedTuple):
    """What a walk comes by.

    path: relative to where the walk began, empty for that itself.
    folder: an open directory that has it under `name`, or that it is (`name` is empty); closed when the walk
    goes on.
    """

    path: bytes
    status: os.stat_result
    folder: int
    name: bytes


class Filter(Protocol):
    """Hides a part of a tree from a walk; `Verdict.is_ignored` says what."""

    def judge(self, path: str, parent: Verdict) -> Verdict: ...

    def may_keep_below(self, directory: str, verdict: Verdict) -> bool: ...


class Tree:
    """Roots that are shown as one, topmost first, without what `ignore` hides.

    is_layered: whether the roots are unpacked layers, in which entries stand for deletions.
    """

    def __init__(self, roots: Sequence[str], ignore: Sequence[str] = (), *, is_layered: bool = False) -> None:
        self._ignore = Matcher(ignore) if ignore else None
        self._is_layered = is_layered
        self._roots: list[int] = []
        try:
            for root in roots:
                self._roots.append(os.open(root, _OPEN_DIRECTORY))
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Tree:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        while self._roots:
            os.close(self._roots.pop())

    @property
    def root(self) -> Node | None:
        """The top, None if there are no roots."""
        if not self._roots:
            return None
        return Node(b"", os.fstat(self._roots[0]), tuple(range(len(self._roots))))

    def find(self, path: bytes) -> Node | None:
        """Return what a path stands for when all links in it are followed; None if that is not there."""
        node = self.locate(path)
        return node if node is not None and self._is_visible(node) else None

    def locate(self, path: bytes) -> Node | None:
        """Return the same whether it is ignored or not."""
        return self._follow(path)[0]

    def resolve(self, path: bytes) -> bytes:
        """Return where a path leads, relative to the root; what is not there is taken as it is written."""
        node, at, rest = self._follow(path)
        for name in rest if node is None else ():
            at = at.rpartition(b"/")[0] if name == b".." else join(at, name)
        return at

    def _follow(self, path: bytes) -> tuple[Node | None, bytes, list[bytes]]:
        """Follow a path as far as it leads; return what is there, the last place, and what is left to go."""
        trail = [self.root]
        pending = path.split(b"/")[::-1]
        links = 0
        while pending:
            name = pending.pop()
            if name == b"..":
                trail = trail[:-1] or [self.root]
            if name in (b"", b".", b".."):
                continue
            above = trail[-1]
            node = self.step(above, name) if above is not None and above.is_directory else None
            if node is None:
                rest = [name, *(each for each in pending[::-1] if each not in (b"", b"."))]
                return None, above.path if above else b"", rest
            if not stat.S_ISLNK(node.status.st_mode):
                trail.append(node)
                continue
            links += 1
            if links > _MOST_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), os.fsdecode(path))
            target = self.read_link(node)
            trail = [self.root] if target.startswith(b"/") else trail
            pending += target.split(b"/")[::-1]
        last = trail[-1]
        return last, last.path if last else b"", []

    def read_link(self, node: Node) -> bytes:
        """Return what a link says."""
        above, _, name = node.path.rpartition(b"/")
        with self._opened(above, node.layers) as [folder]:
            return os.readlink(name, dir_fd=folder)

    def step(self, above: Node, name: bytes) -> Node | None:
        """Return what a directory shows under a name, or None; links are not followed."""
        path = join(above.path, name)
        merged: list[int] = []
        first: os.stat_result | None = None
        with self._opened(above.path, above.layers) as folders:
            for layer, folder in zip(above.layers, folders, strict=False):
                try:
                    status = os.stat(name, dir_fd=folder, follow_symlinks=False)
                except FileNotFoundError:
                    if self._is_layered and overlay.is_deleted(folder, name):
                        break
                    continue
                if self._is_layered and overlay.is_whiteout(status, folder, name):
                    break
                if stat.S_ISDIR(status.st_mode):
                    first = first or status
                    merged.append(layer)
                elif first is None:
                    return Node(path, status, (layer,))
                else:
                    break
        return Node(path, first, tuple(merged)) if first else None

    @contextlib.contextmanager
    def _opened(self, path: bytes, layers: Sequence[int]) -> Iterator[list[int]]:
        """Open a directory in each of its layers, down to one that hides those below it."""
        folders: list[int] = []
        try:
            for layer in layers:
                folders.append(self._open_in(layer, path))
                if self._is_layered and path and len(layers) > 1 and overlay.is_opaque(folders[-1]):
                    break
            yield folders
        finally:
            for folder in folders:
                os.close(folder)

    def _open_in(self, layer: int, path: bytes) -> int:
        try:
            return syscalls.openat2(self._roots[layer], path or b".", _OPEN_DIRECTORY, 0, _WITHOUT_LINKS)
        except OSError as error:
            error.filename = os.fsdecode(path)
            raise

    @contextlib.contextmanager
    def open_folder(self, node: Node) -> Iterator[int]:
        """Open the directory that has what is no directory."""
        with self._opened(node.path.rpartition(b"/")[0], node.layers[:1]) as [folder]:
            yield folder

    @contextlib.contextmanager
    def open(self, node: Node) -> Iterator[int]:
        """Open a directory, the topmost of those that are merged."""
        with self._opened(node.path, node.layers[:1]) as [folder]:
            yield folder

    def _is_visible(self, node: Node) -> bool:
        if self._ignore is None or not node.path:
            return True
        path = os.fsdecode(node.path)
        verdict = self._ignore.judge_path(path)
        if not verdict.is_ignored or not node.is_directory:
            return not verdict.is_ignored
        return self._ignore.may_keep_below(path, verdict) and any(self.walk(node))

    def is_ignored(self, path: bytes) -> bool:
        """Tell whether something is at a path that only cannot be seen."""
        node = self.locate(path)
        return node is not None and not self._is_visible(node)

    def children(self, node: Node) -> list[Node]:
        """Return what a directory shows, by name; also directories of which only a part can be seen."""
        with self._opened(node.path, node.layers) as folders:
            listing = self._list(node, folders)
        found = [Node(join(node.path, name), status, layers) for name, status, layers in listing]
        return [child for child in found if self._is_visible(child)] if self._ignore else found

    def _list(self, node: Node, folders: Sequence[int]) -> list[_Listed]:
        if self._is_layered:
            return sorted(_merge(node.layers, folders))
        layers = node.layers
        with os.scandir(folders[0]) as entries:
            return sorted(
                (os.fsencode(entry.name), entry.stat(follow_symlinks=False), layers) for entry in entries
            )

    def walk(self, start: Node, filters: Sequence[Filter] = ()) -> Iterator[Entry]:
        """Yield a directory and all that is below it, as far as it is not hidden; parents before children.

        filters: see paths relative to `start`. A directory that a filter hides comes all the same when
        something below it does not stay hidden.
        """
        return _Walk(self, start, filters, self._ignore).run()


_Listed = tuple[bytes, os.stat_result, tuple[int, ...]]


def _merge(layers: Sequence[int], folders: Sequence[int]) -> Iterator[_Listed]:
    """Yield what directories above each other show."""
    found: dict[bytes, tuple[os.stat_result, list[int]]] = {}
    hidden: set[bytes] = set()
    for layer, folder in zip(layers, folders, strict=False):
        closed = set()
        with os.scandir(folder) as entries:
            listing = [(os.fsencode(entry.name), entry.stat(follow_symlinks=False)) for entry in entries]
        for name, status in listing:
            if name.startswith(overlay.WHITEOUT_PREFIX):
                closed.add(name.removeprefix(overlay.WHITEOUT_PREFIX))
            elif overlay.is_whiteout(status, folder, name):
                closed.add(name)
            elif name not in hidden:
                if not stat.S_ISDIR(status.st_mode):
                    closed.add(name)
                    if name not in found:
                        found[name] = (status, [layer])
                else:
                    found.setdefault(name, (status, []))[1].append(layer)
        hidden |= closed
    for name, (status, having) in found.items():
        yield name, status, tuple(having)


class _Held:
    """A directory that is to come when something below it comes."""

    def __init__(self, entry: tuple[bytes, Node], above: _Held | None) -> None:
        self.entry = entry
        self.above = above
        self.has_come = False


class _Step(NamedTuple):
    """A directory that is to be walked; verdicts: what the ignore file and each filter said of it."""

    node: Node
    path: bytes
    held: _Held | None
    verdicts: tuple[Verdict, ...]


class _Walk:
    def __init__(self, tree: Tree, start: Node, filters: Sequence[Filter], ignore: Matcher | None) -> None:
        self._tree = tree
        self._start = start
        self._filters: list[tuple[Filter, str]] = [(each, "") for each in filters]
        if ignore is not None:
            self._filters.append((ignore, os.fsdecode(start.path)))
        self._pending: list[_Step] = []

    def run(self) -> Iterator[Entry]:
        start = self._start
        verdicts = tuple(
            each.judge_path(prefix) if isinstance(each, Matcher) and prefix else NONE
            for each, prefix in self._filters
        )
        hidden = bool(verdicts) and verdicts[-1].is_ignored
        held = _Held((b"", start), None) if hidden else None
        self._pending = [_Step(start, b"", held, verdicts)]
        while self._pending:
            yield from self._folder(self._pending.pop())

    def _folder(self, step: _Step) -> Iterator[Entry]:
        """Yield a directory, if it is not held back, and what is in it but no directory."""
        node, tree = step.node, self._tree
        with tree._opened(node.path, node.layers) as folders:
            if step.held is None or step.held.entry[1] is not node:
                yield from self._release(step.held)
                yield Entry(step.path, node.status, folders[0], b"")
            below = []
            place = dict(zip(node.layers, folders, strict=False))
            prefix = step.path + b"/" if step.path else b""
            for name, status, layers in tree._list(node, folders):
                path = prefix + name
                if stat.S_ISDIR(status.st_mode):
                    below.append((path, Node(join(node.path, name), status, layers)))
                elif not self._filters or not self._is_hidden(path, step.verdicts):
                    if step.held is not None:
                        yield from self._release(step.held)
                    yield Entry(path, status, place[layers[0]], name)
        for path, child in reversed(below):
            self._descend(step, path, child)

    def _is_hidden(self, path: bytes, verdicts: tuple[Verdict, ...]) -> bool:
        text = os.fsdecode(path)
        return any(
            each.judge(f"{prefix}/{text}" if prefix else text, parent).is_ignored
            for (each, prefix), parent in zip(self._filters, verdicts, strict=True)
        )

    def _descend(self, above: _Step, path: bytes, node: Node) -> None:
        """Put a directory on the list of those to walk, unless nothing can be seen of it."""
        if not self._filters:
            self._pending.append(_Step(node, path, None, ()))
            return
        text = os.fsdecode(path)
        verdicts, hidden = [], False
        for (each, prefix), parent in zip(self._filters, above.verdicts, strict=True):
            full = f"{prefix}/{text}" if prefix else text
            verdict = each.judge(full, parent)
            verdicts.append(verdict)
            if verdict.is_ignored:
                hidden = True
                if not each.may_keep_below(full, verdict):
                    return
        held = _Held((path, node), above.held) if hidden else above.held
        self._pending.append(_Step(node, path, held, tuple(verdicts)))

    def _release(self, held: _Held | None) -> Iterator[Entry]:
        """Yield the directories that were held back on the way to something that comes now."""
        chain = []
        while held is not None and not held.has_come:
            held.has_come = True
            chain.append(held.entry)
            held = held.above
        for path, node in reversed(chain):
            with self._tree._opened(node.path, node.layers[:1]) as [folder]:
                yield Entry(path, node.status, folder, b"")
