"""A secret that was found in an image."""

from __future__ import annotations

import msgspec

__all__ = ["SEVERITIES", "Finding", "Found", "masked"]

SEVERITIES = ("low", "medium", "high")
"""low: an example, a test of a package, or something that may be meant to be public."""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A secret in some bytes; `value` is all of it, for whoever decides, and must not be shown."""

    kind: str
    severity: str
    value: bytes
    start: int
    """Where it begins."""
    prefix: str = ""
    """What may be shown of it: the beginning that all tokens of its kind have."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """A secret in an image, with its value masked."""

    kind: str
    """github-token, private-key, env-secret, …"""
    severity: str
    """One of SEVERITIES."""
    layer: int
    """From 1, the lowest; 0: not in a layer, but in the configuration, a manifest or an attestation."""
    path: str
    """Of the file; for others what names it: `ENV TOKEN`, `history 4`."""
    line: int = 0
    """From 1; 0 in what has no lines."""
    value: str
    """As much as tells which one it is."""
    instruction: str = ""
    """The history line that did it, so far as the image says."""
    note: str = ""
    """`deleted in layer 3, still in layer 2`."""


def masked(prefix: str = "") -> str:
    """Write a value by the beginning that all of its kind have.

    >>> masked("glpat-"), masked()
    ('glpat-***', '***')
    """
    return f"{prefix}***"
