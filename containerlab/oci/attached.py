"""Tags for what is about another manifest, where it is no referrer: cosign's, and the specification's own.

Source: cosign, specs/SIGNATURE_SPEC.md; OCI distribution-spec 1.1, Referrers Tag Schema.
"""

from __future__ import annotations

import re

from containerlab.oci.distribution import fallback_tag

__all__ = ["SIGNATURE", "cosign_tags", "subject_of"]

SIGNATURE = ".sig"
"""How the tag ends under which cosign keeps signatures."""
_ENDINGS = (SIGNATURE, ".att", ".sbom")
_TAG = re.compile(r"(sha256|sha512)-([a-f0-9]{64}(?:[a-f0-9]{64})?)(?:\.[a-z0-9.]+)?")


def cosign_tags(digest: str) -> list[str]:
    """Return the tags under which cosign keeps what is about a manifest, unless it makes referrers.

    >>> [tag[-5:] for tag in cosign_tags("sha256:" + "a" * 64)]
    ['a.sig', 'a.att', '.sbom']
    """
    return [f"{fallback_tag(digest)}{ending}" for ending in _ENDINGS]


def subject_of(tag: str) -> str:
    """Return the digest of what a tag's manifest is about, by the tag's form; empty for other tags.

    >>> subject_of("sha256-" + "a" * 64 + ".sig") == "sha256:" + "a" * 64, subject_of("v1")
    (True, '')
    """
    match = _TAG.fullmatch(tag)
    return f"{match[1]}:{match[2]}" if match else ""
