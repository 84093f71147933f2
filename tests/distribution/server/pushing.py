"""Pushing by the functions that the protocol calls, as a client would."""

from __future__ import annotations

from collections.abc import Sequence

from containerlab.distribution.server.content import blobs, documents, pushing, uploads
from containerlab.distribution.server.content.pushing import Push
from containerlab.distribution.server.problems import BlobUnknown, NameUnknown
from containerlab.distribution.server.registry import Registry
from containerlab.distribution.server.rights import Identity
from containerlab.oci import digest as digests
from tests.distribution.documents import EMPTY, OCI_INDEX, OCI_MANIFEST, descriptor, image, index


def push_blob(registry: Registry, who: Identity, name: str, data: bytes) -> str:
    """Upload a blob unless the repository has it; return its digest."""
    digest = digests.of(data)
    try:
        blobs.find(registry, who, name, digest)
        if blobs.promise(registry, who, name, digest):
            return digest
    except (BlobUnknown, NameUnknown):
        pass
    session = uploads.open_session(registry, who, name, uploads.begin(registry, who, name))
    try:
        session.write([data])
        return session.finish(digest).digest
    finally:
        session.close()


def put(registry: Registry, who: Identity, name: str, raw: bytes, *tags: str) -> str:
    """Put a manifest whose blobs are there; return its digest."""
    return pushing.push(registry, who, name, Push(documents.read(raw, ""), tags=tags)).digest


def push(
    registry: Registry,
    who: Identity,
    name: str,
    *tags: str,
    layers: Sequence[bytes] = (),
    config: bytes = EMPTY,
    subject: bytes = b"",
) -> bytes:
    """Push an image and return its manifest."""
    for blob in (config, *layers):
        push_blob(registry, who, name, blob)
    about = {"subject": descriptor(subject, OCI_MANIFEST)} if subject else {}
    raw = image(config, tuple(layers), **about)
    put(registry, who, name, raw, *tags)
    return raw


def push_index(registry: Registry, who: Identity, name: str, *tags: str, of: Sequence[bytes]) -> bytes:
    """Push an index of images that are there."""
    raw = index(*of)
    pushing.push(registry, who, name, Push(documents.read(raw, OCI_INDEX), tags=tags))
    return raw
