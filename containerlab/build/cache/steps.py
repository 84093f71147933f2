"""What was built before: the layer of each step, by a key of all that the layer depends on.

A key is the digest of named parts (what lies below, the instruction, its files, …); the parts are kept, so
that one can say which of them was new. A step is there from when its layer is complete until it is pruned.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from containerlab.oci.image import Descriptor
from containerlab.store.database import Database
from containerlab.store.layer_writer import Committed

__all__ = ["BuildCache", "Cached", "Key", "chain", "digest_of"]

_COLUMNS = "key, slot, parts, text, diff_id, digest, media_type, size, created, used"
_TOLD = {
    "below": "the layers below it are other ones",
    "operation": "the instruction is another one",
    "files": "the content, mode or owner of its files changed",
    "variables": "variables or build arguments changed",
    "mounts": "what it mounts changed",
    "time": "SOURCE_DATE_EPOCH changed",
}


class Key(NamedTuple):
    """The key of a step, its parts by name, and the slot that it has in its Dockerfile."""

    text: str
    parts: dict[str, str]
    slot: str

    @staticmethod
    def of(parts: Mapping[str, str], slot: str) -> Key:
        """Make the key of these parts."""
        return Key(digest_of(sorted(parts.items())), dict(parts), slot)


class Cached(msgspec.Struct, frozen=True, kw_only=True):
    """A step that was built."""

    key: str
    slot: str
    parts: dict[str, str]
    text: str
    """The instruction."""
    layer: Committed
    created: float
    used: float


class BuildCache:
    """The steps of a home; safe for many threads and processes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, key: Key) -> Committed | None:
        """Return the layer of a step that was built before."""
        with self._database.reading() as connection:
            row = connection.execute(
                f"SELECT {_COLUMNS} FROM build_steps WHERE key = ?", (key.text,)
            ).fetchone()
        return _cached(row).layer if row else None

    def touch(self, keys: Sequence[str]) -> None:
        """Note that steps were of use just now."""
        now = time.time()
        with self._database.writing() as connection:
            connection.executemany(
                "UPDATE build_steps SET used = ? WHERE key = ?", [(now, key) for key in keys]
            )

    def add(self, key: Key, layer: Committed, text: str, created: float | None = None) -> None:
        """Keep a step whose layer is complete. created: when it was made, if not now."""
        self.add_all([(key, layer, text)], created)

    def add_all(self, steps: Sequence[tuple[Key, Committed, str]], created: float | None = None) -> None:
        """Keep several at once."""
        now = time.time()
        made = now if created is None else created
        rows = [
            (key.text, key.slot, _json(key.parts), text, layer.diff_id, *_blob(layer.descriptor), made, now)
            for key, layer, text in steps
        ]
        with self._database.writing() as connection:
            connection.executemany("INSERT OR REPLACE INTO build_steps VALUES (?,?,?,?,?,?,?,?,?,?)", rows)

    def why_missed(self, key: Key) -> str:
        """Say which part of a key that was not found is new, compared with the last step in its slot."""
        query = f"SELECT {_COLUMNS} FROM build_steps WHERE slot = ? ORDER BY created DESC LIMIT 1"
        with self._database.reading() as connection:
            row = connection.execute(query, (key.slot,)).fetchone()
        if row is None:
            return "it was never built here"
        before = _cached(row).parts
        # Another kind of instruction has other parts, too, which say nothing more.
        common = [name for name in _TOLD if (name in before) == (name in key.parts)]
        new = [name for name in common if before.get(name) != key.parts.get(name)]
        return "; ".join(_TOLD[name] for name in new) or "it was built, and removed since"

    def all(self, keys: Collection[str] | None = None) -> list[Cached]:
        """Return every step, or those of some keys; the one that was of use last first."""
        with self._database.reading() as connection:
            rows = connection.execute(f"SELECT {_COLUMNS} FROM build_steps ORDER BY used DESC").fetchall()
        return [_cached(row) for row in rows if keys is None or row[0] in keys]

    def created(self, keys: Collection[str]) -> dict[str, float]:
        """Return when the layers of steps were made, by their keys."""
        query = "SELECT key, created FROM build_steps WHERE key = ?"
        with self._database.reading() as connection:
            return dict(row for key in keys for row in connection.execute(query, (key,)))

    def remove(self, keys: Sequence[str]) -> None:
        """Forget steps; their layers go with the next collection."""
        with self._database.writing() as connection:
            connection.executemany("DELETE FROM build_steps WHERE key = ?", [(key,) for key in keys])
            connection.execute("DELETE FROM build_contents")

    def content(self, tree: str, selection: str) -> str:
        """Return the content digest of files in layers that never change, or "" if it was never computed."""
        query = "SELECT digest FROM build_contents WHERE tree = ? AND selection = ?"
        with self._database.reading() as connection:
            row = connection.execute(query, (tree, selection)).fetchone()
        return str(row[0]) if row else ""

    def keep_content(self, tree: str, selection: str, digest: str) -> None:
        """Keep such a digest."""
        with self._database.writing() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO build_contents VALUES (?, ?, ?)", (tree, selection, digest)
            )


def chain(layers: Sequence[Committed]) -> str:
    """Return the chain id of a stack of layers. Source: OCI image specification, "Layer ChainID"."""
    found = ""
    for layer in layers:
        if found:
            found = f"sha256:{hashlib.sha256(f'{found} {layer.diff_id}'.encode()).hexdigest()}"
        else:
            found = layer.diff_id
    return found


def digest_of(value: Any) -> str:
    """Return a digest of a value: of the JSON that it is written as."""
    return hashlib.sha256(msgspec.json.encode(value)).hexdigest()


def _cached(row: Sequence[Any]) -> Cached:
    key, slot, parts, text, diff_id, digest, media_type, size, created, used = row
    return Cached(
        key=key,
        slot=slot,
        parts=msgspec.json.decode(parts, type=dict[str, str]),
        text=text,
        layer=Committed(Descriptor(media_type=media_type, digest=digest, size=size), diff_id),
        created=created,
        used=used,
    )


def _blob(descriptor: Descriptor) -> tuple[str, str, int]:
    return descriptor.digest, descriptor.media_type, descriptor.size


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
