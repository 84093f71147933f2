"""Manifests that speak about others: their subject, and the index that lists them.

Source: OCI distribution-spec 1.1, Listing Referrers and Referrers Tag Schema.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from containerlab.oci import digest as digests
from containerlab.oci import image as documents
from containerlab.oci import untrusted
from containerlab.oci.image import Descriptor, Index

__all__ = ["entry", "media_type_of", "read", "subject_of", "write"]


class _Subject(msgspec.Struct):
    digest: str


class _Config(msgspec.Struct, rename="camel"):
    media_type: str = ""


class _Said(msgspec.Struct, rename="camel"):
    """What a manifest says of itself, whatever else is in it."""

    media_type: str = ""
    artifact_type: str = ""
    subject: _Subject | None = None
    config: _Config | None = None
    annotations: dict[str, str] | None = None


def _said(raw: bytes) -> _Said:
    return untrusted.decode(raw, _Said, "a manifest")


def subject_of(raw: bytes) -> str:
    """Return the digest of what a manifest speaks about; empty for most. Raises: CorruptContent."""
    subject = _said(raw).subject
    return digests.parse(subject.digest) if subject else ""


def media_type_of(raw: bytes) -> str:
    """Return what a manifest calls itself; empty when it does not. Raises: CorruptContent."""
    return _said(raw).media_type


def entry(raw: bytes, media_type: str) -> Descriptor:
    """Describe a manifest as an index of referrers does."""
    said = _said(raw)
    return Descriptor(
        media_type=media_type,
        digest=digests.of(raw),
        size=len(raw),
        artifact_type=said.artifact_type or (said.config.media_type if said.config else ""),
        annotations=said.annotations or {},
    )


def read(raw: bytes) -> Index:
    """Read an index of referrers. Raises: CorruptContent."""
    document = documents.decode_document(raw, documents.OCI_INDEX)
    assert isinstance(document, Index)
    return document


def write(manifests: Sequence[Descriptor]) -> bytes:
    """Write the index that stands under the fall-back tag."""
    return documents.encode(
        Index(schema_version=2, media_type=documents.OCI_INDEX, manifests=tuple(manifests))
    )
