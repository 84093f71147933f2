"""Manifests as they are pushed: read, checked, and never trusted; their bytes are kept as they came.

Source: OCI image-spec 1.1, manifest.md and image-index.md; Docker's manifest version 2, schema 2.
"""

from __future__ import annotations

from typing import Annotated, NamedTuple

import msgspec

from containerlab import errors
from containerlab.distribution.server.problems import ManifestInvalid, TooLarge
from containerlab.oci import digest as digests
from containerlab.oci import image

__all__ = ["MAX_BYTES", "Document", "Part", "read"]

MAX_BYTES = image.MAX_DOCUMENT_BYTES
_TYPES = (image.OCI_MANIFEST, image.OCI_INDEX, image.DOCKER_MANIFEST, image.DOCKER_INDEX)
_TYPELESS = ("", "application/json", "application/octet-stream", "application/x-www-form-urlencoded")
"""What clients send that do not say what they push."""
_MOST_TYPE = 255
_Size = Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]
_Texts = dict[str, str] | None


class _Descriptor(msgspec.Struct, frozen=True, rename="camel"):
    media_type: str
    digest: str
    size: _Size
    urls: tuple[str, ...] | None = None
    annotations: _Texts = None
    data: str | None = None
    artifact_type: str | None = None


class _Fields(msgspec.Struct, frozen=True, rename="camel"):
    """All that a manifest or an index may have; what else is in it is kept and not looked at."""

    schema_version: int
    media_type: str | None = None
    artifact_type: str | None = None
    config: _Descriptor | None = None
    layers: tuple[_Descriptor, ...] | None = None
    manifests: tuple[_Descriptor, ...] | msgspec.UnsetType | None = msgspec.UNSET
    subject: _Descriptor | None = None
    annotations: _Texts = None


class Part(NamedTuple):
    """Something that a manifest needs to be of use."""

    digest: str
    kind: str
    """config, layer, blob (in the place of a layer, and none) or manifest."""
    size: int
    is_elsewhere: bool
    """Whether it may be missing here: it is got from another place."""


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a manifest."""

    raw: bytes
    media_type: str
    parts: tuple[Part, ...]
    subject: str = ""
    """Digest of the manifest that this one is about."""
    artifact_type: str = ""
    """As the referrers list shows it: its own, else the type of the configuration of an image."""
    annotations: dict[str, str] = {}


_DECODER = msgspec.json.Decoder(_Fields)


def read(raw: bytes, content_type: str) -> Document:
    """Read what was pushed as `content_type`.

    Raises: ManifestInvalid, TooLarge.
    """
    if len(raw) > MAX_BYTES:
        raise TooLarge(f"the manifest has more than {MAX_BYTES} bytes")
    fields = _decode(raw)
    media_type = _media_type(fields, content_type)
    parts = _index_parts(fields) if image.is_index(media_type) else _image_parts(fields)
    subject = "" if fields.subject is None else _checked(fields.subject).digest
    return Document(
        raw=raw,
        media_type=media_type,
        parts=tuple({part.digest: part for part in parts}.values()),
        subject=subject,
        artifact_type=_artifact_type(fields),
        annotations=fields.annotations or {},
    )


def _decode(raw: bytes) -> _Fields:
    try:
        fields = _DECODER.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ManifestInvalid(f"the manifest is not valid: {error}") from None
    except RecursionError:
        raise ManifestInvalid("the manifest is nested too deeply") from None
    if fields.schema_version != 2:
        raise ManifestInvalid(
            f"the manifest has the schema version {fields.schema_version}, not 2",
            "push it with a client that is newer than 2017",
        )
    if fields.layers is not None and fields.manifests is not msgspec.UNSET:
        # Two tools could see two different images under one digest: CVE-2021-41190.
        raise ManifestInvalid("the manifest has both layers and manifests, so it can mean two images")
    return fields


def _media_type(fields: _Fields, content_type: str) -> str:
    """Return what it is: as the header says, as it says itself, or as it looks; they must agree."""
    said = content_type.partition(";")[0].strip().lower()
    named = fields.media_type or ""
    looks = image.OCI_INDEX if fields.manifests is not msgspec.UNSET else image.OCI_MANIFEST
    found = named or looks if said in _TYPELESS else said
    if found not in _TYPES:
        raise ManifestInvalid(f"{found[:_MOST_TYPE]!r} is not the type of a manifest that is kept here")
    if named and named != found:
        raise ManifestInvalid(f"the manifest says {named[:_MOST_TYPE]!r}, its Content-Type {found!r}")
    if image.is_index(found) != image.is_index(looks):
        raise ManifestInvalid(f"the manifest does not look like {found}")
    return found


def _image_parts(fields: _Fields) -> list[Part]:
    if fields.config is None:
        raise ManifestInvalid("the manifest has no config")
    layers = [
        _part(layer, "layer" if image.is_layer(layer.media_type) else "blob") for layer in fields.layers or ()
    ]
    return [*layers, _part(fields.config, "config")]


def _index_parts(fields: _Fields) -> list[Part]:
    return [_part(child, "manifest") for child in fields.manifests or ()]


def _part(descriptor: _Descriptor, kind: str) -> Part:
    _checked(descriptor)
    is_foreign = "nondistributable" in descriptor.media_type or ".foreign." in descriptor.media_type
    return Part(descriptor.digest, kind, descriptor.size, is_foreign or bool(descriptor.urls))


def _checked(descriptor: _Descriptor) -> _Descriptor:
    try:
        digests.parse(descriptor.digest)
    except errors.InvalidInput as error:
        raise ManifestInvalid(f"in the manifest, {error.message}") from None
    return descriptor


def _artifact_type(fields: _Fields) -> str:
    own = fields.artifact_type or ""
    found = own or (fields.config.media_type if fields.config else "")
    if len(found) > _MOST_TYPE:
        raise ManifestInvalid(f"the artifact type has more than {_MOST_TYPE} characters")
    return found
