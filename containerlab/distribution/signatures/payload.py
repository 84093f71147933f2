"""What is signed: a statement about the digest of a manifest, in the format of simple signing.

The bytes that were signed count, so they are kept as they are; ours are written as Go's encoder does.
Source: sigstore/sigstore, pkg/signature/payload/payload.go; cosign, specs/SIGNATURE_SPEC.md;
containers-signature(5).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from containerlab import errors
from containerlab.oci import untrusted
from containerlab.oci.reference import DEFAULT_REGISTRY, Reference

__all__ = ["Statement", "identity_of", "read", "write"]

_TYPE = "cosign container image signature"
_ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
"""As Go's encoding/json writes them."""


class _Identity(msgspec.Struct, frozen=True, rename="kebab"):
    docker_reference: str


class _Image(msgspec.Struct, frozen=True, rename="kebab"):
    docker_manifest_digest: str


class _Critical(msgspec.Struct, frozen=True):
    identity: _Identity
    image: _Image
    type: str


class _Simple(msgspec.Struct, frozen=True):
    critical: _Critical
    optional: dict[str, Any] | None = None


class Statement(msgspec.Struct, frozen=True):
    """That somebody signed an image."""

    identity: str
    """What the signer called the image; nobody checks it, as with cosign."""
    digest: str
    """Of the image's manifest."""
    annotations: Mapping[str, Any] = {}
    """What the signer said beside."""


def identity_of(reference: Reference) -> str:
    """Return what cosign calls an image's repository.

    >>> identity_of(Reference.parse("debian:12"))
    'index.docker.io/library/debian'
    """
    registry = f"index.{DEFAULT_REGISTRY}" if reference.registry == DEFAULT_REGISTRY else reference.registry
    return f"{registry}/{reference.repository}"


def write(statement: Statement) -> bytes:
    """Write what is to be signed."""
    critical = _Critical(_Identity(statement.identity), _Image(statement.digest), _TYPE)
    optional = dict(sorted(statement.annotations.items())) or None
    text = msgspec.json.encode(_Simple(critical, optional)).decode()
    return "".join(_ESCAPES.get(sign, sign) for sign in text).encode()


def read(raw: bytes) -> Statement:
    """Read what was signed; only after the signature was checked.

    Raises: CorruptContent.
    """
    simple = untrusted.decode(raw, _Simple, "the signed statement about an image")
    if simple.critical.type != _TYPE:
        raise errors.CorruptContent(f"what was signed is a {simple.critical.type[:100]!r}, not a {_TYPE!r}")
    image, identity = simple.critical.image, simple.critical.identity
    return Statement(identity.docker_reference, image.docker_manifest_digest, simple.optional or {})
