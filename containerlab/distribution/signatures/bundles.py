"""Signatures as cosign makes them from its version 3 on: bundles, with a statement of in-toto in an envelope.

Only read here, and only what a key has signed; certificates and logs of sigstore's services are left alone.
Source: sigstore/protobuf-specs, sigstore_bundle.proto; secure-systems-lab/dsse, protocol.md;
in-toto/attestation, spec/v1/statement.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from containerlab import errors
from containerlab.distribution.signatures.payload import Statement
from containerlab.oci import image as documents
from containerlab.oci import untrusted
from containerlab.oci.image import Manifest

if TYPE_CHECKING:
    from containerlab.distribution.remote import Remote
    from containerlab.distribution.signatures.keys import PublicKey

__all__ = ["Bundle", "fetch"]

_BUNDLE_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
_SIGNED = "https://sigstore.dev/cosign/sign/v1"
_STATEMENT = "application/vnd.in-toto+json"
_MOST, _MOST_BYTES = 100, 1 << 20


class _Signature(msgspec.Struct):
    sig: bytes


class _Envelope(msgspec.Struct, rename="camel"):
    payload: bytes
    payload_type: str
    signatures: list[_Signature]


class _Document(msgspec.Struct, rename="camel"):
    dsse_envelope: _Envelope | None = None


class _Subject(msgspec.Struct):
    digest: dict[str, str]
    name: str = ""
    annotations: dict[str, Any] = {}


class _InToto(msgspec.Struct, rename="camel"):
    subject: list[_Subject]
    predicate_type: str


class Bundle(msgspec.Struct, frozen=True):
    """A bundle as it was found; nothing of it is to be believed yet."""

    raw: bytes
    where: str
    """The digest of the referrer."""

    def statement(self, key: PublicKey, digest: str) -> Statement:
        """Return what the key has signed about the digest.

        Raises: NotPermitted when it has signed nothing; CorruptContent when it is about something else.
        """
        envelope = untrusted.decode(self.raw, _Document, "the bundle").dsse_envelope
        if envelope is None or envelope.payload_type != _STATEMENT:
            raise errors.CorruptContent("it has no statement in an envelope")
        message = _encoded(envelope)
        if not any(key.has_signed(message, each.sig) for each in envelope.signatures[:_MOST]):
            raise errors.NotPermitted("it is not by this key")
        return _about(envelope.payload, digest)


def _encoded(envelope: _Envelope) -> bytes:
    """Return what is signed: the type and the body, each with its length before it."""
    kind, body = envelope.payload_type.encode(), envelope.payload
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(body), body)


def _about(raw: bytes, digest: str) -> Statement:
    said = untrusted.decode(raw, _InToto, "the signed statement of in-toto")
    if said.predicate_type != _SIGNED:
        raise errors.CorruptContent(f"it attests a {said.predicate_type[:100]!r}, which is no signature")
    algorithm, _, value = digest.partition(":")
    for subject in said.subject:
        if subject.digest.get(algorithm) == value:
            return Statement(subject.name, digest, subject.annotations)
    raise errors.CorruptContent("it is about another image")


def fetch(remote: Remote, digest: str) -> Iterator[Bundle]:
    """Go through the bundles that refer to a manifest."""
    for descriptor in remote.referrers(digest, _BUNDLE_TYPE)[:_MOST]:
        document = remote.manifest(descriptor.digest, (documents.OCI_MANIFEST,)).document
        for layer in document.layers if isinstance(document, Manifest) else ():
            if layer.media_type == _BUNDLE_TYPE and layer.size <= _MOST_BYTES:
                yield Bundle(remote.small_blob(layer), descriptor.digest)
