"""What a build says about its result in files: `--iidfile` and `--metadata-file`, with buildx's keys.

Source: Docker documentation, `docker buildx build --metadata-file`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from containerlab import errors
from containerlab.build.record import LintWarning
from containerlab.linux.files import write_atomically
from containerlab.oci import image as documents
from containerlab.oci.image import Descriptor, Manifest
from containerlab.store.images import Images

__all__ = ["Metadata", "image_id", "write_iid_file", "write_metadata_file"]


class Metadata(msgspec.Struct, frozen=True, kw_only=True):
    """What is known when a build has ended."""

    ref: str
    """The id of the build."""
    descriptor: Descriptor | None = None
    """What was made; None when that was no image."""
    image_id: str = ""
    names: Sequence[str] = ()
    provenance: Mapping[str, Any] = {}
    """Predicates by platform."""
    warnings: Sequence[LintWarning] = ()


def image_id(images: Images, descriptor: Descriptor) -> str:
    """Return the digest of the configuration, or of the index when there are several."""
    manifests = [
        document
        for found, document in images.walk(descriptor)
        if isinstance(document, Manifest)
        and documents.is_config(document.config.media_type)
        and not documents.is_attestation(found)
    ]
    return manifests[0].config.digest if len(manifests) == 1 else descriptor.digest


def write_iid_file(path: Path, image_id: str) -> None:
    """Write the id of the image, and nothing else."""
    _write(path, image_id.encode())


def write_metadata_file(path: Path, metadata: Metadata) -> None:
    """Write what is known as a JSON object."""
    _write(path, msgspec.json.format(msgspec.json.encode(_fields(metadata)), indent=2))


def _fields(metadata: Metadata) -> dict[str, Any]:
    fields: dict[str, Any] = {"buildx.build.ref": metadata.ref}
    single = len(metadata.provenance) == 1
    for platform, predicate in metadata.provenance.items():
        fields["buildx.build.provenance" + ("" if single else f"/{platform}")] = predicate
    if metadata.warnings:
        fields["buildx.build.warnings"] = [_warning(each) for each in metadata.warnings]
    if metadata.descriptor:
        fields["containerimage.descriptor"] = metadata.descriptor
        fields["containerimage.digest"] = metadata.descriptor.digest
        if metadata.image_id != metadata.descriptor.digest:
            fields["containerimage.config.digest"] = metadata.image_id
    if metadata.names:
        fields["image.name"] = ",".join(metadata.names)
    return dict(sorted(fields.items()))


def _warning(warning: LintWarning) -> dict[str, Any]:
    """Return a warning as BuildKit's JSON has it, its texts in base64."""
    start = {"line": warning.line}
    return {
        "level": 1,
        "short": f"{warning.rule}: {warning.message} (line {warning.line})".encode(),
        "detail": [warning.message.encode()],
        "url": warning.url,
        "range": [{"start": start, "end": start}],
    }


def _write(path: Path, content: bytes) -> None:
    try:
        write_atomically(str(path), content, 0o644)
    except OSError as error:
        raise errors.of_the_system(error, f"write {path}") from error
