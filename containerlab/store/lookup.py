"""Queries on state.db: what the words of a user mean, and what names there are.

All take the connection that `Database.reading` or `writing` gave.
"""

from __future__ import annotations

import re
import sqlite3
from typing import NamedTuple

from containerlab import errors
from containerlab.oci.image import Descriptor
from containerlab.oci.platform import Platform
from containerlab.oci.reference import Reference

__all__ = ["Match", "all_names", "assign", "descriptor", "find", "names_of", "names_with", "platforms"]

_HEX = r"[0-9a-f]{1,64}"


class Match(NamedTuple):
    """What a user's words lead to."""

    image: Descriptor
    manifest: str = ""
    """Digest of the one manifest that was meant, empty when any platform will do."""
    name: str = ""
    """The name in full, empty when it was an id or a digest."""


def find(connection: sqlite3.Connection, text: str) -> Match:
    """Find what the words of a user mean.

    Raises: NotFound, InvalidInput.
    """
    digest = f"sha256:{text}" if len(text) == 64 and re.fullmatch(_HEX, text) else text
    if digest.startswith(("sha256:", "sha512:")) and (match := _by_digest(connection, digest)):
        return match
    try:
        match = _by_name(connection, Reference.parse(text))
    except errors.InvalidInput:
        if digest == text and not text.startswith("sha256:"):
            raise
        match = None
    match = match or _by_prefix(connection, text.removeprefix("sha256:"))
    if match is None:
        known = [name.removesuffix(":latest") for name in all_names(connection)]
        hint = _OTHERS if known else "there are none yet: `image from-host lab/base` makes one"
        raise errors.NotFound.named("image", text, known, hint)
    return match


_OTHERS = "`images` lists them; others come by `pull`, `load` or `image from-debootstrap`"


def _by_name(connection: sqlite3.Connection, reference: Reference) -> Match | None:
    if reference.digest:
        match = _by_digest(connection, reference.digest)
        prefix = f"{reference.registry}/{reference.repository}"
        names = _full_names_of(connection, match.image.digest) if match else []
        return match if any(re.split("[@:](?!.*/)", name)[0] == prefix for name in names) else None
    row = connection.execute(
        "SELECT media_type, digest, size FROM names JOIN images ON digest = image WHERE name = ?",
        (reference.full(),),
    ).fetchone()
    return Match(descriptor(row), name=reference.full()) if row else None


def _by_digest(connection: sqlite3.Connection, digest: str) -> Match | None:
    query = "SELECT media_type, digest, size FROM images WHERE digest = ?"
    if row := connection.execute(query, (digest,)).fetchone():
        return Match(descriptor(row))
    row = connection.execute(
        "SELECT media_type, images.digest, size, manifests.digest FROM manifests"
        " JOIN images ON images.digest = manifests.image WHERE manifests.digest = ?1 OR id = ?1"
        " ORDER BY NOT EXISTS (SELECT 1 FROM names WHERE names.image = images.digest)",
        (digest,),
    ).fetchone()
    return Match(descriptor(row), row[3]) if row else None


def _by_prefix(connection: sqlite3.Connection, text: str) -> Match | None:
    if not re.fullmatch(_HEX, text):
        return None
    pattern = f"sha256:{text}*"
    rows = connection.execute(
        "SELECT DISTINCT id FROM manifests WHERE id GLOB ? LIMIT 3", (pattern,)
    ).fetchall()
    if len(rows) > 1:
        raise errors.InvalidInput(f"several image ids begin with {text}", "write more of the id")
    return _by_digest(connection, rows[0][0]) if rows else None


def names_of(connection: sqlite3.Connection, digest: str) -> tuple[str, ...]:
    """Return the names that lead to an image, as users write them."""
    return tuple(Reference.parse(name).familiar() for name in _full_names_of(connection, digest))


def _full_names_of(connection: sqlite3.Connection, digest: str) -> list[str]:
    rows = connection.execute("SELECT name FROM names WHERE image = ? ORDER BY name", (digest,))
    return [row[0] for row in rows]


def names_with(connection: sqlite3.Connection, digest: str) -> list[str]:
    """Return the full names of the images that have a blob."""
    rows = connection.execute(
        "SELECT name FROM names JOIN contents USING (image) WHERE digest = ? AND kind = 'blob' ORDER BY name",
        (digest,),
    )
    return [row[0] for row in rows]


def all_names(connection: sqlite3.Connection) -> list[str]:
    """Return every name, as users write them."""
    rows = connection.execute("SELECT name FROM names ORDER BY name")
    return [Reference.parse(row[0]).familiar() for row in rows]


def assign(connection: sqlite3.Connection, name: str, digest: str) -> None:
    """Let a full name lead to an image, whatever it led to before."""
    connection.execute("INSERT OR REPLACE INTO names VALUES (?, ?)", (name, digest))


def platforms(connection: sqlite3.Connection, match: Match) -> list[tuple[str, Platform]]:
    """Return the digests of the manifests that may be meant, with their platforms."""
    rows = connection.execute(
        "SELECT digest, platform FROM manifests WHERE image = ? ORDER BY position", (match.image.digest,)
    )
    return [(row[0], _parse_platform(row[1])) for row in rows if match.manifest in ("", row[0])]


def _parse_platform(text: str) -> Platform:
    system, architecture, variant = (*text.split("/"), "")[:3]
    return Platform(architecture, system, variant)


def descriptor(row: tuple[str, str, int]) -> Descriptor:
    """Make a descriptor of media type, digest and size."""
    return Descriptor(media_type=row[0], digest=row[1], size=row[2])
