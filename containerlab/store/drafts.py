"""Lists of manifests that a user is putting together, before they are pushed as one index.

Each is a file below `lists/` of the home, written whole; the name of the list is in it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from containerlab import errors
from containerlab.linux.files import sync_directory
from containerlab.oci import digest as digests
from containerlab.oci.image import Descriptor
from containerlab.oci.reference import Reference
from containerlab.store.home import Home

__all__ = ["Draft", "Drafts", "Entry"]


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One manifest of a list."""

    source: str
    """Where it is: a name in full with its digest."""
    descriptor: Descriptor
    """As it will stand in the index, with platform and annotations."""
    is_local: bool = False
    """Whether the store has it; else the registry that `source` names."""


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """A list of manifests that is not pushed yet."""

    name: str
    """In full."""
    entries: tuple[Entry, ...] = ()
    annotations: dict[str, str] = {}
    """Of the index itself."""


class Drafts:
    """The lists of a home; safe for many processes, of which the last writer of one list wins."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._folder = home.root / "lists"

    def get(self, name: str) -> Draft:
        """Find a list. Raises: NotFound with the nearest name, CorruptContent."""
        full = Reference.parse(name).full()
        try:
            raw = self._path(full).read_bytes()
        except FileNotFoundError:
            known = [Reference.parse(draft.name).familiar() for draft in self.all()]
            raise errors.NotFound.named(
                "manifest list", name, known, "`manifest create LIST IMAGE…` makes one"
            ) from None
        return _decoded(raw, self._path(full))

    def all(self) -> list[Draft]:
        """Return every list, by name."""
        return sorted(self._all(), key=lambda draft: draft.name)

    def _all(self) -> Iterator[Draft]:
        with contextlib.suppress(FileNotFoundError):
            for path in self._folder.iterdir():
                with contextlib.suppress(FileNotFoundError):
                    yield _decoded(path.read_bytes(), path)

    def put(self, draft: Draft) -> None:
        """Write a list, whatever there was under its name."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        self._home.replace(self._path(draft.name), msgspec.json.encode(draft))
        sync_directory(str(self._folder))

    def remove(self, name: str) -> None:
        """Remove a list. Raises: NotFound."""
        os.unlink(self._path(self.get(name).name))

    def _path(self, full: str) -> Path:
        return self._folder / digests.of(full.encode()).partition(":")[2]


def _decoded(raw: bytes, path: Path) -> Draft:
    try:
        return msgspec.json.decode(raw, type=Draft)
    except (msgspec.MsgspecError, errors.InvalidInput) as error:
        raise errors.CorruptContent(
            f"the manifest list in {path} is damaged: {error}", "remove the file, and make the list again"
        ) from error
