"""A file system planned as data: which files of the host, links and texts go where."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from typing import NamedTuple

from containerlab.linux.libraries import DEFAULT_DIRECTORIES, Libraries

__all__ = ["Node", "Tree"]

_MERGED = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
"""Directories that are links into /usr on most systems; the image has them as the host has."""


class Node(NamedTuple):
    """A file, link or directory to be.

    source: the host's file whose content it gets; else `content`, else `link`, else it is a directory.
    is_library: leave out what only debuggers read.
    """

    mode: int
    source: str = ""
    content: bytes | None = None
    link: str = ""
    mtime: int = 0
    is_library: bool = False


class Tree:
    """Nodes by path (relative to the root); what comes first stays."""

    def __init__(self) -> None:
        self.nodes: dict[str, Node] = {}
        self._libraries = Libraries()
        self._directory = ""
        for name in _MERGED:
            if os.path.islink(f"/{name}"):
                self.add(name, Node(0o777, link=os.readlink(f"/{name}").lstrip("/")))

    def add(self, path: str, node: Node) -> None:
        """Put a node at a path, with the directories above it."""
        path = self._real(path)
        above = os.path.dirname(path)
        if above and above not in self.nodes:
            self.add(above, Node(0o755))
        self.nodes.setdefault(path, node)

    def _real(self, path: str) -> str:
        """Follow the links that this tree has for whole top-level directories."""
        first, slash, rest = path.strip("/").partition("/")
        if slash and (node := self.nodes.get(first)) is not None and node.link:
            return f"{node.link}/{rest}"
        return path.strip("/")

    def copy(self, source: str, path: str, *, is_library: bool = False) -> None:
        """Give the content of a host's file to a path; set-id bits stay behind."""
        found = os.stat(source)
        if stat.S_ISREG(found.st_mode):
            mode, mtime = found.st_mode & 0o755, int(found.st_mtime)
            self.add(path, Node(mode, source=source, mtime=mtime, is_library=is_library))

    def copy_libraries(self, files: Iterable[str], late: Iterable[str] = ()) -> None:
        """Add what files need to be loaded: the loader where they name it, the libraries where it looks.

        All come to one of its default directories, so that no configuration of it is needed.
        late: libraries that nothing names; they come with what they need.

        Raises: FileNotFoundError for a library that is missing.
        """
        by_name = {os.path.basename(path): path for path in late}
        libraries, loaders = self._libraries.closure([*files, *by_name.values()])
        libraries = {**by_name, **libraries}
        for loader in sorted(loaders):
            self.copy(loader, loader)
        for name, source in sorted(libraries.items()):
            self._directory = self._directory or _default_directory(libraries.values())
            self.copy(source, f"{self._directory}/{os.path.basename(name)}", is_library=True)


def _default_directory(libraries: Iterable[str]) -> str:
    """Return where the host has most of its libraries: the C library is among them."""
    directories = [os.path.dirname(library) for library in libraries]
    known = [directory for directory in directories if directory in DEFAULT_DIRECTORIES]
    return max(known or ["/lib"], key=known.count)
