"""Blobs, manifests and images made up for tests."""

from __future__ import annotations

import io
import random
from typing import BinaryIO

from containerlab.distribution.remote import Remote
from containerlab.oci import digest as digests
from containerlab.oci import image as documents
from containerlab.oci.image import Descriptor, Manifest

__all__ = ["Bytes", "blob_of", "manifest_of", "noise", "send_manifest"]

OCTETS = "application/octet-stream"


def noise(count: int, seed: int = 0) -> bytes:
    """Return bytes that do not compress, the same for the same seed."""
    return random.Random(seed).randbytes(count)


class Bytes:
    """A body that counts how often it was opened."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.size: int | None = len(data)
        self.opened = 0

    def open(self) -> BinaryIO:
        self.opened += 1
        return io.BytesIO(self._data)


def blob_of(data: bytes, media_type: str = OCTETS) -> Descriptor:
    """Describe a blob."""
    return Descriptor(media_type=media_type, digest=digests.of(data), size=len(data))


def manifest_of(
    config: bytes = b"{}", subject: Descriptor | None = None, artifact_type: str = "", note: str = ""
) -> bytes:
    """Write a manifest of an artifact without layers."""
    return documents.encode(
        Manifest(
            schema_version=2,
            media_type=documents.OCI_MANIFEST,
            artifact_type=artifact_type,
            config=blob_of(config, "application/vnd.test.config"),
            layers=(),
            subject=subject,
            annotations={"note": note} if note else {},
        )
    )


def send_manifest(remote: Remote, raw: bytes, tag: str = "", config: bytes = b"{}") -> Descriptor:
    """Send a manifest, and its configuration first; return what it is now."""
    remote.upload(blob_of(config), Bytes(config))
    remote.put_manifest(tag or digests.of(raw), raw, documents.OCI_MANIFEST)
    return blob_of(raw, documents.OCI_MANIFEST)
