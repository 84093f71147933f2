"""Packages of rpm: `rpmdb.sqlite`, whose rows are package headers.

The older databases (Berkeley DB before rpm 4.16, ndb of openSUSE) are not read.
Source: rpm.org, "RPM V4 Package format", Header; rpm, lib/backend/sqlite.c.
"""

from __future__ import annotations

import contextlib
import sqlite3
import struct
from collections.abc import Iterator

from containerlab import errors
from containerlab.build.sbom.package import Package, System

__all__ = ["packages"]

_NAME, _VERSION, _RELEASE, _EPOCH = 1000, 1001, 1002, 1003
_VENDOR, _LICENCE, _URL, _ARCHITECTURE, _SOURCE = 1011, 1014, 1020, 1022, 1044
_INT32, _STRING, _STRINGS, _TRANSLATED = 4, 6, 8, 9
_ENTRY = struct.Struct(">IIII")
_MOST_STEPS = 1_000_000
"""Thousands of instructions of SQLite's machine."""
_WAL, _JOURNAL = b"\2\2", b"\1\1"


def packages(content: bytes, system: System) -> Iterator[Package]:
    """Yield the installed packages.

    Raises: CorruptContent when it is no such database.
    """
    # A database in memory cannot have a write-ahead log, which a cleanly closed one does not need (SQLite,
    # "Database File Format", offset 18).
    if content[18:20] == _WAL:
        content = content[:18] + _JOURNAL + content[20:]
    try:
        with contextlib.closing(sqlite3.connect(":memory:")) as database:
            database.deserialize(content)
            for (blob,) in _rows(database):
                package = _package(_header(blob), system)
                if package.name != "gpg-pubkey":  # a key, not software
                    yield package
    except (sqlite3.Error, struct.error, ValueError, IndexError, TypeError) as error:
        raise errors.CorruptContent(f"the rpm database cannot be read: {error}") from error


def _rows(database: sqlite3.Connection) -> sqlite3.Cursor:
    """Return the headers. The database is a stranger's: no view may stand for the table, or run for ever."""
    steps = iter(range(_MOST_STEPS))
    database.set_progress_handler(lambda: next(steps, None) is None, 1000)
    database.execute("PRAGMA trusted_schema = OFF")
    kind = database.execute("SELECT type FROM sqlite_master WHERE name = 'Packages'").fetchone()
    if kind != ("table",):
        raise ValueError("it has no table of packages")
    return database.execute("SELECT blob FROM Packages ORDER BY hnum")


def _header(blob: bytes) -> dict[int, str]:
    """Return the tags of a header that are numbers or text."""
    count, size = struct.unpack_from(">II", blob)
    store = blob[8 + 16 * count :][:size]
    if len(store) != size:
        raise ValueError("a header is cut off")
    tags = {}
    for at in range(count):
        tag, kind, offset, _ = _ENTRY.unpack_from(blob, 8 + 16 * at)
        if kind in (_STRING, _STRINGS, _TRANSLATED):
            tags[tag] = store[offset : store.index(0, offset)].decode("utf-8", "replace")
        elif kind == _INT32:
            tags[tag] = str(struct.unpack_from(">I", store, offset)[0])
    return tags


def _package(tags: dict[int, str], system: System) -> Package:
    source = tags.get(_SOURCE, "").removesuffix(".src.rpm").rpartition("-")[0].rpartition("-")[0]
    name = tags.get(_NAME, "")
    return Package(
        kind="rpm",
        name=name,
        version=f"{tags.get(_VERSION, '')}-{tags.get(_RELEASE, '')}",
        epoch=tags.get(_EPOCH, ""),
        licence=tags.get(_LICENCE, ""),
        architecture=tags.get(_ARCHITECTURE, ""),
        source=source if source != name else "",
        supplier=tags.get(_VENDOR, ""),
        homepage=tags.get(_URL, ""),
        namespace=system.id,
    )
