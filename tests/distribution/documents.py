"""Manifests and indexes for tests of registries: bytes, as hostile or as odd as they are wanted."""

from __future__ import annotations

import json
from typing import Any

from containerlab.oci import digest as digests
from containerlab.oci.image import (
    DOCKER_INDEX,
    DOCKER_MANIFEST,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_LAYER,
    OCI_MANIFEST,
)

__all__ = [
    "DOCKER_INDEX",
    "DOCKER_MANIFEST",
    "EMPTY",
    "OCI_INDEX",
    "OCI_MANIFEST",
    "artifact",
    "descriptor",
    "image",
    "index",
]

EMPTY = b"{}"
EMPTY_TYPE = "application/vnd.oci.empty.v1+json"


def descriptor(blob: bytes, media_type: str = OCI_LAYER, /, **fields: Any) -> dict[str, Any]:
    """Describe a blob."""
    return {"mediaType": media_type, "digest": digests.of(blob), "size": len(blob), **fields}


def image(config: bytes = EMPTY, layers: tuple[bytes, ...] = (), /, **fields: Any) -> bytes:
    """Return the manifest of an image; fields are added or replaced."""
    return encode(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": descriptor(config, OCI_CONFIG),
            "layers": [descriptor(each) for each in layers],
            **fields,
        }
    )


def artifact(kind: str, subject: dict[str, Any] | None = None, **fields: Any) -> bytes:
    """Return the manifest of an artifact that has only the empty blob, often about a subject."""
    about = {"subject": subject} if subject else {}
    empty = descriptor(EMPTY, EMPTY_TYPE)
    return image(EMPTY, artifactType=kind, config=empty, layers=[empty], **about, **fields)


def index(*manifests: bytes, **fields: Any) -> bytes:
    """Return an index of image manifests."""
    entries = [descriptor(each, OCI_MANIFEST) for each in manifests]
    return encode({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries, **fields})


def encode(document: object) -> bytes:
    """Write JSON as nobody here writes it, so that bytes must be kept to keep the digest."""
    return json.dumps(document, indent=3).encode() + b"\n"
