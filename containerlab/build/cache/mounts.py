"""The folders of cache mounts, and who has which one.

cache/build-mounts/<hash of the id>/id 0/ 1/ …

Two locks: that of the id is held, shared, by each RUN that has any of its folders, so that nobody removes
them meanwhile; that of a folder says who else may have it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

from containerlab import errors
from containerlab.build.cache.waiting import locked
from containerlab.linux.idmap import IdMap
from containerlab.store import trees
from containerlab.store.home import Home

__all__ = ["CacheFolders", "alone", "cache_folder", "remove", "root"]

_MOST_FOLDERS = 1000
_STRICTEST = ("locked", "private", "shared")


def root(home: Home) -> Path:
    """Return where all of them are."""
    return home.cache / "build-mounts"


def cache_folder(home: Home, name: str) -> Path:
    """Return where the cache mounts of an id are."""
    return root(home) / hashlib.sha256(name.encode()).hexdigest()


class CacheFolders:
    """Gives RUNs their folders; `stopped` ends the waiting for those that others have."""

    def __init__(self, home: Home, stopped: threading.Event) -> None:
        self._home = home
        self._stopped = stopped

    @contextlib.contextmanager
    def taken(self, wanted: Iterable[tuple[str, str]]) -> Iterator[dict[str, Path]]:
        """Have a folder, which may not be there yet, for each (id, sharing).

        What is wanted twice is had once, in the stricter way. Everybody takes them in one order, so that no
        two builds wait for each other.

        Raises: Unavailable when the build is stopped, or too many have folders for themselves.
        """
        ways: dict[str, str] = {}
        for name, sharing in wanted:
            ways[name] = min(ways.get(name, "shared"), sharing, key=_STRICTEST.index)
        with contextlib.ExitStack() as stack:
            yield {name: self._take(name, ways[name], stack) for name in sorted(ways)}

    def _take(self, name: str, sharing: str, stack: contextlib.ExitStack) -> Path:
        folder = cache_folder(self._home, name)
        stack.enter_context(locked(self._home, _lock(folder), self._stopped, shared=True))
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if sharing == "locked":
            stack.enter_context(locked(self._home, _lock(folder, 0), self._stopped))
            return folder / "0"
        return self._first(folder, stack, shared=sharing == "shared")

    def _first(self, folder: Path, stack: contextlib.ExitStack, *, shared: bool) -> Path:
        """Return the first folder that nobody has for itself, or that nobody has at all; waits for none."""
        for number in range(_MOST_FOLDERS):
            with contextlib.suppress(errors.Conflict):
                stack.enter_context(self._home.lock(_lock(folder, number), shared=shared, wait=False))
                return folder / str(number)
        raise errors.Unavailable(f"{_MOST_FOLDERS} builds use this cache folder", "try again later")


@contextlib.contextmanager
def alone(home: Home, folder: Path) -> Iterator[None]:
    """Have all folders of an id while no build does. Raises: Conflict when one does."""
    with home.lock(_lock(folder), wait=False):
        yield


def remove(home: Home, folder: Path, idmap: IdMap) -> bool:
    """Remove all folders of an id; tell whether, for those in use stay."""
    try:
        with alone(home, folder), home.scratch("gone-") as scratch:
            numbers = [entry.name for entry in os.scandir(folder) if entry.name.isdecimal()]
            folder.rename(scratch / "mount")
            for name in (_lock(folder), *(_lock(folder, int(number)) for number in numbers)):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(home.root / "locks" / name)
            trees.remove(scratch / "mount", idmap)
    except (errors.Conflict, FileNotFoundError):
        return False
    return True


def _lock(folder: Path, number: int | None = None) -> str:
    name = f"mount-{folder.name[:40]}"
    return name if number is None else f"{name}-{number}"
