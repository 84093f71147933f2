"""SHA-256 of what is small, by Python's own code: OpenSSL's is faster, but takes 2 ms to load."""

from __future__ import annotations

import sys
from importlib import import_module

__all__ = ["sha256"]

_OWN = "_sha2" if sys.version_info >= (3, 12) else "_sha256"


def sha256(data: bytes) -> bytes:
    """Compute the 32 bytes of the digest; `hashlib` is better from a MiB on.

    >>> sha256(b"").hex()[:8]
    'e3b0c442'
    """
    try:
        module = import_module(_OWN)
    except ImportError:  # a Python that was built to rely on OpenSSL alone
        module = import_module("hashlib")
    digest: bytes = module.sha256(data).digest()
    return digest
