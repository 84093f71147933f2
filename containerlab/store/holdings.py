"""What the registry of a home holds: blobs that the store's collection has to leave alone."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator
from contextlib import closing
from pathlib import Path

import msgspec

from containerlab import errors
from containerlab.store.home import Home

__all__ = ["held", "registry_database"]

_WAIT_S = 60.0
_HELD = "SELECT digest FROM links{0} UNION SELECT digest FROM manifests{0}"
_AMONG = " WHERE digest IN (SELECT value FROM json_each(?1))"


def registry_database(home: Home) -> Path:
    """Return where a registry on this home keeps what it knows; its tables `links` and `manifests` name
    blobs."""
    return home.root / "registry" / "registry.db"


def held(home: Home, among: Collection[str] | None = None) -> set[str]:
    """Return the digests of all blobs that a repository of the home's registry has; with `among` of those.

    Raises: Unavailable when it cannot be told, so that nobody takes everything for garbage.
    """
    return set(_held(registry_database(home), among))


def _held(path: Path, among: Collection[str] | None) -> Iterator[str]:
    if not path.exists():
        return
    try:
        with closing(sqlite3.connect(path, timeout=_WAIT_S)) as connection:
            for (digest,) in _statement(connection, among):
                yield digest
    except sqlite3.Error as error:
        raise errors.Unavailable(
            f"cannot tell what the registry in {path.parent} needs: {error}",
            "nothing was removed; restore registry.db, or move it away to give its repositories up",
        ) from error


def _statement(connection: sqlite3.Connection, among: Collection[str] | None) -> sqlite3.Cursor:
    if among is None:
        return connection.execute(_HELD.format(""))
    return connection.execute(_HELD.format(_AMONG), (msgspec.json.encode(list(among)).decode(),))
