"""Manifest lists as tables and documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from containerlab.engine.inspection import Inspection
from containerlab.oci.image import OCI_INDEX, Index, encode
from containerlab.oci.reference import Reference
from containerlab.views.table import Column, Table

if TYPE_CHECKING:
    from containerlab.distribution.remote import Remote
    from containerlab.store.drafts import Draft, Entry

__all__ = ["entries", "lists", "of_draft", "of_registry"]

_LISTS = (
    Column("name", "NAME", lambda row: Reference.parse(row.name).familiar(), "name", "Name"),
    Column("images", "IMAGES", lambda row: len(row.entries), "number", "Images"),
    Column(
        "platforms", "PLATFORMS", lambda row: [_platform(entry) for entry in row.entries], "list", "Platforms"
    ),
)
_ENTRIES = (
    Column("platform", "PLATFORM", lambda row: _platform(row), "text", "Platform"),
    Column("digest", "DIGEST", lambda row: row.descriptor.digest, "digest", "Digest"),
    Column("size_bytes", "SIZE", lambda row: row.descriptor.size, "size", "Size"),
    Column("source", "FROM", lambda row: _source(row), "name", "Source"),
)


def _platform(entry: Entry) -> str:
    return str(entry.descriptor.platform) if entry.descriptor.platform else "unknown"


def _source(entry: Entry) -> str:
    place = entry.source.partition("@")[0] if "@" in entry.source else "an image without a name"
    return f"{place} (in the store)" if entry.is_local else place


def lists(drafts: Sequence[Draft]) -> Table[Draft]:
    """Show lists in rows."""
    return Table(drafts, _LISTS)


def entries(draft: Draft) -> Table[Entry]:
    """Show the images of a list in rows."""
    return Table(draft.entries, _ENTRIES)


def of_draft(draft: Draft) -> Inspection:
    """Show the index that a list will become, as far as it can be said."""
    index = Index(
        schema_version=2,
        media_type=OCI_INDEX,
        manifests=tuple(entry.descriptor for entry in draft.entries),
        annotations=draft.annotations,
    )
    return Inspection([msgspec.json.decode(encode(index))])


def of_registry(name: str, options: Mapping[str, Any]) -> Inspection:
    """Show what a registry has under a name; verbose: with the manifest of each image."""
    from containerlab.distribution.remote import Remote

    reference = Reference.parse(name)
    with Remote(reference, tls_verify=options.get("tls_verify")) as remote:
        found = remote.manifest(reference.digest or reference.tag)
        if not options.get("verbose"):
            return Inspection([msgspec.json.decode(found.raw)])
        document = found.document
        if not isinstance(document, Index):
            return Inspection([_verbose(remote, reference, found.descriptor.digest, None)])
        return Inspection(
            [
                _verbose(remote, reference, each.digest, msgspec.to_builtins(each.platform))
                for each in document.manifests
            ]
        )


def _verbose(remote: Remote, reference: Reference, digest: str, platform: Any) -> dict[str, Any]:
    found = remote.manifest(digest)
    descriptor = {**msgspec.to_builtins(found.descriptor), **({"platform": platform} if platform else {})}
    return {
        "Ref": f"{reference.registry}/{reference.repository}@{digest}",
        "Descriptor": descriptor,
        "Manifest": msgspec.json.decode(found.raw),
    }
