"""Statements about an image become a manifest beside it in the index, as BuildKit attaches them.

Source: in-toto Attestation Framework, Statement v0.1 and v1; BuildKit, attestation-storage.md.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from containerlab.build.result.purl import of_image
from containerlab.oci import image as documents
from containerlab.oci.image import Descriptor, ImageConfig, Manifest, RootFS
from containerlab.oci.platform import Platform
from containerlab.store.blobs import Blobs

__all__ = ["V0_1", "V1", "Predicate", "encode", "write_attestation"]

_IN_TOTO = "application/vnd.in-toto+json"
_UNKNOWN = Platform("unknown", "unknown")
V0_1, V1 = "https://in-toto.io/Statement/v0.1", "https://in-toto.io/Statement/v1"


class Predicate(msgspec.Struct, frozen=True, kw_only=True):
    """What is said of an image."""

    type: str
    """A URI."""
    body: bytes
    """JSON."""
    statement: str = V0_1
    """Version of the statement around it."""
    file_name: str
    """What it is called where there is no index, as in a directory."""


def write_attestation(
    blobs: Blobs, of: Descriptor, names: Sequence[str], predicates: Sequence[Predicate]
) -> Descriptor | None:
    """Write the attestation manifest of an image, given as an index has it; None for no predicates."""
    if not predicates:
        return None
    layers = tuple(_layer(blobs, each, of, names) for each in predicates)
    config = ImageConfig(
        architecture=_UNKNOWN.architecture,
        os=_UNKNOWN.os,
        rootfs=RootFS(diff_ids=tuple(layer.digest for layer in layers)),
    )
    manifest = Manifest(
        schema_version=2,
        media_type=documents.OCI_MANIFEST,
        config=blobs.write(documents.encode(config), documents.OCI_CONFIG),
        layers=layers,
    )
    return msgspec.structs.replace(
        blobs.write(documents.encode(manifest), documents.OCI_MANIFEST),
        annotations={
            "vnd.docker.reference.digest": of.digest,
            "vnd.docker.reference.type": "attestation-manifest",
        },
        platform=_UNKNOWN,
    )


def _layer(blobs: Blobs, predicate: Predicate, of: Descriptor, names: Sequence[str]) -> Descriptor:
    descriptor = blobs.write(encode(predicate, of, names), _IN_TOTO)
    return msgspec.structs.replace(descriptor, annotations={"in-toto.io/predicate-type": predicate.type})


def encode(predicate: Predicate, of: Descriptor, names: Sequence[str]) -> bytes:
    """Write the statement: the predicate, and of which image it is true."""
    algorithm, _, digits = of.digest.partition(":")
    platform = of.platform or Platform.host()
    return msgspec.json.encode(
        {
            "_type": predicate.statement,
            "predicateType": predicate.type,
            "subject": [
                {"name": name, "digest": {algorithm: digits}}
                for name in [of_image(each, platform) for each in names] or ["_"]
            ],
            "predicate": msgspec.Raw(predicate.body),
        }
    )
