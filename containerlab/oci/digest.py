"""Digests: the names that content has by itself, as `sha256:` and 64 hexadecimal digits.

Source: OCI image-spec 1.1, descriptor.md, section Digests.
"""

from __future__ import annotations

import re

from containerlab import errors
from containerlab.hashes import sha256

__all__ = ["Hasher", "algorithm", "is_of", "of", "parse", "path"]

_DIGITS = {"sha256": 64, "sha512": 128}
_PATTERN = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")
_GRAMMAR = r"(?P<algorithm>[a-z0-9]+(?:[+._-][a-z0-9]+)*):[A-Za-z0-9=_-]+"


def parse(text: str) -> str:
    """Return `text` when it is a digest that can be trusted as part of a path.

    >>> parse("sha256:" + "0" * 64)[:10]
    'sha256:000'

    Raises: InvalidInput.
    """
    if _PATTERN.fullmatch(text):
        return text
    shown = repr(text if len(text) <= 100 else f"{text[:100]}…")
    found = re.fullmatch(_GRAMMAR, text)
    if found and found["algorithm"] not in _DIGITS:
        raise errors.InvalidInput(
            f"digest {shown} uses the algorithm {found['algorithm']}, which is not supported",
            "use sha256 or sha512",
        )
    raise errors.InvalidInput(
        f"{shown} is not a digest", "write sha256: and 64 lower-case hexadecimal digits"
    )


def of(data: bytes, algorithm: str = "sha256") -> str:
    """Compute the digest of `data`, a document; what is large goes through a `Hasher`.

    >>> of(b"")[:15]
    'sha256:e3b0c442'
    """
    if algorithm == "sha256":
        return f"sha256:{sha256(data).hex()}"
    import hashlib

    return f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"


def algorithm(digest: str) -> str:
    """Return what a digest was computed with.

    >>> algorithm("sha256:e3b0c442")
    'sha256'
    """
    return digest.partition(":")[0]


def is_of(digest: str, data: bytes) -> bool:
    """Tell whether a document has a digest.

    >>> is_of("sha256:" + "0" * 64, b"")
    False
    """
    return of(data, algorithm(digest)) == digest


def path(digest: str) -> str:
    """Return where an OCI image layout keeps the blob, below `blobs/`.

    >>> path("sha256:" + "0" * 64)[:9]
    'sha256/00'

    Raises: InvalidInput, so that nothing but a digest ever becomes a path.
    """
    return parse(digest).replace(":", "/")


class Hasher:
    """Computes the digest of what passes by, and its length."""

    __slots__ = ("_hash", "algorithm", "size")

    def __init__(self, algorithm: str = "sha256") -> None:
        import hashlib

        self.algorithm = algorithm
        self._hash = hashlib.new(algorithm)
        self.size = 0

    @staticmethod
    def like(digest: str) -> Hasher:
        """Return what computes a digest that can be held against another one."""
        return Hasher(algorithm(digest))

    def update(self, data: bytes | memoryview) -> None:
        self._hash.update(data)
        self.size += len(data)

    def digest(self) -> str:
        return f"{self.algorithm}:{self._hash.hexdigest()}"
