"""Where signatures are: in a manifest under a tag beside the image, or in referrers of it.

The manifest under `sha256-<hex>.sig` has a layer for each signature: the payload, with the signature as an
annotation of its descriptor. Whoever signs too adds a layer. As a referrer (OCI 1.1) each is a manifest of
its own. Source: cosign, specs/SIGNATURE_SPEC.md and pkg/oci/remote/write.go.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from containerlab import errors
from containerlab.distribution.connections import Bytes
from containerlab.oci import attached, distribution
from containerlab.oci import digest as digests
from containerlab.oci import image as documents
from containerlab.oci.image import Descriptor, Manifest

if TYPE_CHECKING:
    from containerlab.distribution.remote import Remote

__all__ = ["ARTIFACT_TYPE", "Stored", "add", "add_as_referrer", "fetch", "signature_tag"]

ARTIFACT_TYPE = "application/vnd.dev.cosign.artifact.sig.v1+json"
_PAYLOAD_TYPE = "application/vnd.dev.cosign.simplesigning.v1+json"
_SIGNATURE = "dev.cosignproject.cosign/signature"
_MOST = 100
"""Signatures of one image that are looked at."""
_MOST_PAYLOAD_BYTES = 1 << 20
_TRIES = 5
_NO_TIME = "0001-01-01T00:00:00Z"
"""Go's zero time, as in cosign's configurations: the same signature is the same manifest."""


class Stored(NamedTuple):
    """A signature as it was found; nothing of it is to be believed yet."""

    payload: bytes
    signature: bytes
    where: str
    """The tag, or the digest of the referrer."""


def signature_tag(digest: str) -> str:
    """Return the tag under which cosign keeps the signatures of a manifest.

    >>> signature_tag("sha256:" + "a" * 64) == "sha256-" + "a" * 64 + ".sig"
    True

    Raises: Unsupported for digests that are too long for a tag.
    """
    tag = f"{digests.parse(digest).replace(':', '-')}{attached.SIGNATURE}"
    if not distribution.is_tag(tag):
        raise errors.Unsupported(
            f"{digest[:20]}… is too long for a tag, where cosign keeps signatures", "sign with --referrer"
        )
    return tag


def fetch(remote: Remote, digest: str) -> Iterator[Stored]:
    """Go through the signatures of a manifest, those under the tag first.

    Raises: CorruptContent when a registry has something else in their place.
    """
    found = [*_under_tag(remote, digest), *_referring(remote, digest)]
    for where, layer in found[:_MOST]:
        signature = _decoded(layer.annotations.get(_SIGNATURE, ""))
        if layer.media_type == _PAYLOAD_TYPE and layer.size <= _MOST_PAYLOAD_BYTES:
            yield Stored(remote.small_blob(layer), signature, where)


def _under_tag(remote: Remote, digest: str) -> Iterator[tuple[str, Descriptor]]:
    try:
        tag = signature_tag(digest)
        manifest = _manifest(remote, tag)
    except (errors.NotFound, errors.Unsupported):
        return
    yield from ((tag, layer) for layer in manifest.layers)


def _referring(remote: Remote, digest: str) -> Iterator[tuple[str, Descriptor]]:
    for descriptor in remote.referrers(digest, ARTIFACT_TYPE)[:_MOST]:
        manifest = _manifest(remote, descriptor.digest)
        yield from ((descriptor.digest, layer) for layer in manifest.layers)


def _manifest(remote: Remote, reference: str) -> Manifest:
    document = remote.manifest(reference, (documents.OCI_MANIFEST, documents.DOCKER_MANIFEST)).document
    if not isinstance(document, Manifest):
        raise errors.CorruptContent(f"{remote.name} has an index where signatures should be: {reference}")
    return document


def _decoded(text: str) -> bytes:
    """Return the bytes of a signature; nothing for what is none, which then no key has made."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""


def add(remote: Remote, digest: str, payload: bytes, signature: bytes) -> str:
    """Add a signature to those under the tag, and return the tag.

    A registry has no way to add: the manifest is replaced. It is looked at again, and what another signer has
    replaced is done again; but one who has read before we wrote, and writes after we looked, still takes ours
    away, as with cosign. Referrers are for those who sign at once.
    """
    tag, layer = signature_tag(digest), _layer(payload, signature)
    remote.upload(layer.bare(), Bytes(payload))
    for _ in range(_TRIES):
        layers = tuple(kept for _, kept in _under_tag(remote, digest))
        if layer in layers:
            return tag
        _put(remote, tag, (*layers, layer))
    raise errors.Unavailable(f"others sign {remote.name}@{digest} all the time", "try again")


def add_as_referrer(remote: Remote, subject: Descriptor, payload: bytes, signature: bytes) -> str:
    """Add a signature as a manifest that refers to its subject, and return its digest."""
    layer = _layer(payload, signature)
    remote.upload(layer.bare(), Bytes(payload))
    return _put(remote, "", (layer,), subject)


def _put(remote: Remote, tag: str, layers: tuple[Descriptor, ...], subject: Descriptor | None = None) -> str:
    raw_config = _config(layers)
    config = Descriptor.of(raw_config, ARTIFACT_TYPE if subject else documents.OCI_CONFIG)
    remote.upload(config, Bytes(raw_config))
    manifest = Manifest(
        schema_version=2,
        media_type=documents.OCI_MANIFEST,
        artifact_type=ARTIFACT_TYPE if subject else "",
        config=config,
        layers=layers,
        subject=subject.bare() if subject else None,
    )
    raw = documents.encode(manifest)
    return remote.put_manifest(tag or digests.of(raw), raw, documents.OCI_MANIFEST)


def _layer(payload: bytes, signature: bytes) -> Descriptor:
    return Descriptor(
        media_type=_PAYLOAD_TYPE,
        digest=digests.of(payload),
        size=len(payload),
        annotations={_SIGNATURE: base64.b64encode(signature).decode()},
    )


def _config(layers: tuple[Descriptor, ...]) -> bytes:
    """Write the configuration that cosign gives signatures: an image's, of which the layers are payloads."""
    return msgspec.json.encode(
        {
            "architecture": "",
            "created": _NO_TIME,
            "history": [{"created": _NO_TIME} for _ in layers],
            "os": "",
            "rootfs": {"type": "layers", "diff_ids": [layer.digest for layer in layers]},
            "config": {},
        }
    )
