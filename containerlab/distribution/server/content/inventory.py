"""What is in a registry, as people look at it: repositories and tags with sizes, images with their parts.

Looking is no pull: nothing here counts as one. What a manifest names is read only as far as the same
repository has it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, TypeVar

import msgspec

from containerlab import errors
from containerlab.distribution.server.content import blobs, catalog
from containerlab.distribution.server.content.catalog import Repository
from containerlab.distribution.server.registry import Registry
from containerlab.distribution.server.rights import Identity, Level
from containerlab.oci import image as documents
from containerlab.oci.attached import cosign_tags
from containerlab.oci.image import Descriptor, ImageConfig, Index, Manifest

__all__ = [
    "Image",
    "Page",
    "Stored",
    "Tag",
    "find",
    "freed_bytes",
    "image",
    "images",
    "names",
    "stored",
    "tags",
]

_T = TypeVar("_T")


class Page(msgspec.Struct, Generic[_T], frozen=True):
    """A part of a long list."""

    items: Sequence[_T]
    total: int
    number: int
    """From 1."""
    length: int
    """Items that a full page has."""

    @property
    def count(self) -> int:
        """How many pages there are."""
        return max(1, -(-self.total // self.length))


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """A manifest or an index of a repository, with what is noted of it."""

    digest: str
    media_type: str
    size: int
    artifact_type: str = ""
    subject: str = ""
    annotations: dict[str, str] = {}
    pushed: float
    pushed_by: str = ""
    pulled: float | None = None
    pulls: int = 0

    @property
    def descriptor(self) -> Descriptor:
        return Descriptor(media_type=self.media_type, digest=self.digest, size=self.size)


class Tag(msgspec.Struct, frozen=True, kw_only=True):
    """A tag and what it leads to."""

    name: str
    updated: float
    stored: Stored
    size_bytes: int
    """Of all that a client without any of it would have to pull, for all platforms."""
    platforms: tuple[str, ...]
    is_signed: bool
    referrers: int
    """Signatures and other things that name it as their subject."""


class Image(msgspec.Struct, frozen=True, kw_only=True):
    """One image for one platform, or an artifact of another kind, which has no configuration to read."""

    descriptor: Descriptor
    manifest: Manifest
    config: ImageConfig | None

    @property
    def platform(self) -> str:
        named = self.descriptor.platform or (self.config.platform if self.config else None)
        return str(named) if named else ""

    @property
    def size_bytes(self) -> int:
        return self.manifest.config.size + sum(
            {each.digest: each.size for each in self.manifest.layers}.values()
        )


def find(registry: Registry, identity: Identity, name: str, needed: Level = Level.READ) -> Repository:
    """Return a repository that somebody may use so.

    Raises: NameInvalid, NotPermitted, NameUnknown.
    """
    with registry.reader.reading() as connection:
        return catalog.allowed(connection, identity, name, needed)


_STORED = "digest, media_type, size, artifact_type, subject, annotations, pushed, pushed_by, pulled, pulls"


def _stored(row: Sequence[object]) -> Stored:
    fields = dict(zip(Stored.__struct_fields__, row, strict=True))
    annotations = msgspec.json.decode(str(fields["annotations"]))
    return msgspec.convert({**fields, "annotations": annotations}, Stored)


def stored(registry: Registry, repository: Repository, reference: str) -> Stored:
    """Return what a tag or a digest leads to.

    Raises: NotFound.
    """
    where = (
        "digest = ?2"
        if ":" in reference
        else ("digest = (SELECT digest FROM tags WHERE repository = ?1 AND name = ?2)")
    )
    with registry.reader.reading() as connection:
        row = connection.execute(
            f"SELECT {_STORED} FROM manifests WHERE repository = ?1 AND {where}", (repository.id, reference)
        ).fetchone()
    if row is None:
        raise errors.NotFound(f"{repository.name} has no {reference}", "it may have been deleted meanwhile")
    return _stored(row)


def names(registry: Registry, repository: Repository, digest: str) -> list[str]:
    """Return the tags that lead to a manifest."""
    with registry.reader.reading() as connection:
        rows = connection.execute(
            "SELECT name FROM tags WHERE repository = ? AND digest = ? ORDER BY name", (repository.id, digest)
        ).fetchall()
    return [name for (name,) in rows]


def attached(registry: Registry, repository: Repository, digest: str) -> list[str]:
    """Return the tags under which cosign keeps what is about a manifest, those that are there."""
    wanted = cosign_tags(digest)
    with registry.reader.reading() as connection:
        rows = connection.execute(
            f"SELECT name FROM tags WHERE repository = ? AND name IN ({', '.join('?' * len(wanted))})",
            (repository.id, *wanted),
        ).fetchall()
    return [name for name in wanted if (name,) in rows]


def freed_bytes(registry: Registry, who: Identity, repository: Repository, digest: str) -> int:
    """Add up what only one manifest needs: blobs that no other one has, nor another repository one sees."""
    with registry.reader.reading() as connection:
        found = connection.execute(
            "SELECT SUM(links.size) FROM parts JOIN links USING (repository, digest)"
            " WHERE repository = :repository AND manifest = :manifest"
            " AND NOT EXISTS (SELECT 1 FROM parts AS other WHERE other.repository = :repository"
            " AND other.digest = parts.digest AND other.manifest != :manifest)"
            " AND NOT EXISTS (SELECT 1 FROM links AS other JOIN repositories o ON o.id = other.repository"
            f" WHERE other.digest = parts.digest AND o.id != :repository AND {catalog.seen('o')})",
            {**catalog.seeing(who), "repository": repository.id, "manifest": digest},
        ).fetchone()[0]
    return int(found or 0)


def tags(
    registry: Registry, repository: Repository, *, text: str = "", number: int = 1, newest_first: bool = True
) -> Page[Tag]:
    """Return tags with what they lead to, of those that have a text in their name."""
    length = 100
    where = "tags.repository = :repository AND instr(lower(tags.name), :text)"
    given = {"repository": repository.id, "text": text.lower()}
    order = f"{_IS_ATTACHED}, tags.updated DESC, tags.name" if newest_first else f"{_IS_ATTACHED}, tags.name"
    columns = ", ".join(f"manifests.{name.strip()}" for name in _STORED.split(","))
    with registry.reader.reading() as connection:
        total = connection.execute(f"SELECT COUNT(*) FROM tags WHERE {where}", given).fetchone()[0]
        rows = connection.execute(
            f"SELECT tags.name, tags.updated, {_SIGNED}, (SELECT COUNT(*) FROM manifests AS other"
            f" WHERE other.repository = :repository AND other.subject = tags.digest), {columns}"
            " FROM tags JOIN manifests ON manifests.repository = tags.repository"
            f" AND manifests.digest = tags.digest WHERE {where} ORDER BY {order} LIMIT :length OFFSET :start",
            {**given, "length": length, "start": (number - 1) * length},
        ).fetchall()
    found = [_tag(registry, repository, row) for row in rows]
    return Page(found, total, number, length)


_IS_ATTACHED = "tags.name GLOB 'sha[25][51][62]-*' AND length(tags.name) >= 71"
"""Whether a tag is what a signature is kept under, near enough for an order."""
_SIGNED = """(EXISTS (SELECT 1 FROM manifests AS other WHERE other.repository = :repository
        AND other.subject = tags.digest AND (instr(other.artifact_type, 'sigstore')
        OR instr(other.artifact_type, 'cosign') OR instr(other.artifact_type, 'signature')))
    OR EXISTS (SELECT 1 FROM tags AS other WHERE other.repository = :repository
        AND other.name = replace(tags.digest, ':', '-') || '.sig'))"""
"""Whether there is a signature: as a referrer, or under the tag that cosign gives it (sha256-….sig)."""


def _tag(registry: Registry, repository: Repository, row: Sequence[object]) -> Tag:
    name, updated, is_signed, count, *rest = row
    target = _stored(rest)
    parts = images(registry, repository, target)
    blobs = {
        blob.digest: blob.size for part in parts for blob in (part.manifest.config, *part.manifest.layers)
    }
    return msgspec.convert(
        {
            "name": name,
            "updated": updated,
            "stored": target,
            "size_bytes": sum(blobs.values()),
            "platforms": tuple(
                dict.fromkeys(part.platform for part in parts if part.platform and not _is_statement(part))
            ),
            "is_signed": bool(is_signed),
            "referrers": count,
        },
        Tag,
    )


def _is_statement(part: Image) -> bool:
    return documents.is_attestation(part.descriptor)


def images(registry: Registry, repository: Repository, target: Stored) -> list[Image]:
    """Return the image that a manifest is, or those of an index that the repository has."""
    document = _document(registry, target.descriptor)
    if isinstance(document, Manifest):
        return [_image(registry, repository, target.descriptor, document)]
    if document is None:
        return []
    children = {each.digest: each for each in document.manifests}
    found = (_child(registry, repository, each) for each in list(children.values())[:_MOST_CHILDREN])
    return [each for each in found if each]


_MOST_CHILDREN = 100
"""Of an index that are looked at: it may name the same image, or another, as often as fits into 4 MiB."""


def image(registry: Registry, repository: Repository, reference: str, platform: str = "") -> Image:
    """Return one image: of an index that for a platform, or the first.

    Raises: NotFound.
    """
    found = images(registry, repository, stored(registry, repository, reference))
    fitting = [each for each in found if platform in ("", each.platform)]
    if not fitting:
        raise errors.NotFound(f"{repository.name} has no image {reference} {platform}".rstrip())
    return fitting[0]


def _child(registry: Registry, repository: Repository, child: Descriptor) -> Image | None:
    """Return an image of an index; None when this repository has it not, whoever else has."""
    with registry.reader.reading() as connection:
        row = connection.execute(
            "SELECT media_type, size FROM manifests WHERE repository = ? AND digest = ?",
            (repository.id, child.digest),
        ).fetchone()
    if row is None:
        return None
    document = _document(registry, msgspec.structs.replace(child, media_type=row[0], size=row[1]))
    return _image(registry, repository, child, document) if isinstance(document, Manifest) else None


def _document(registry: Registry, descriptor: Descriptor) -> Manifest | Index | None:
    """Read a manifest; None for one that is no image or artifact of a kind that is known, or is lost."""
    try:
        return documents.decode_document(registry.document(descriptor.digest), descriptor.media_type)
    except (errors.NotFound, errors.CorruptContent, errors.Unsupported):
        return None


def _image(registry: Registry, repository: Repository, descriptor: Descriptor, manifest: Manifest) -> Image:
    config = None
    if documents.is_config(manifest.config.media_type) and _has(registry, repository, manifest.config.digest):
        try:
            config = documents.decode_config(registry.document(manifest.config.digest))
        except (errors.CorruptContent, errors.NotFound):
            config = None
    return Image(descriptor=descriptor, manifest=manifest, config=config)


def _has(registry: Registry, repository: Repository, digest: str) -> bool:
    with registry.reader.reading() as connection:
        return blobs.linked_size(connection, repository, digest) is not None
