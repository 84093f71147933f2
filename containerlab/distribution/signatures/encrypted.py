"""A private key under a password, as cosign writes it: scrypt makes the key, NaCl's secretbox seals.

Source: go-securesystemslib, encrypted/encrypted.go; sigstore/cosign, pkg/cosign/keys.go.
"""

from __future__ import annotations

import hashlib
import os

import msgspec

from containerlab import errors
from containerlab.oci.untrusted import UNREADABLE

__all__ = ["open_sealed", "seal"]

_N, _R, _P = 65536, 8, 1
_KNOWN_N = (32768, 65536, 131072)
"""Others are refused: a file could ask for all memory."""
_MEMORY_BYTES = 192 << 20
_KEY_BYTES, _SALT_BYTES = 32, 32


class _Params(msgspec.Struct):
    N: int
    r: int
    p: int


class _Kdf(msgspec.Struct):
    name: str
    params: _Params
    salt: bytes


class _Cipher(msgspec.Struct):
    name: str
    nonce: bytes


class _Sealed(msgspec.Struct):
    kdf: _Kdf
    cipher: _Cipher
    ciphertext: bytes


def seal(content: bytes, password: bytes) -> bytes:
    """Return a JSON document that only the password opens."""
    secret = errors.wanted("nacl.secret", "a key under a password")
    salt, nonce = os.urandom(_SALT_BYTES), os.urandom(secret.SecretBox.NONCE_SIZE)
    box = secret.SecretBox(_derive(password, salt, _N))
    sealed = _Sealed(
        kdf=_Kdf("scrypt", _Params(_N, _R, _P), salt),
        cipher=_Cipher("nacl/secretbox", nonce),
        ciphertext=box.encrypt(content, nonce).ciphertext,
    )
    return msgspec.json.encode(sealed)


def open_sealed(document: bytes, password: bytes) -> bytes:
    """Return what was sealed.

    Raises: InvalidInput when it is no such document; NotPermitted for another password.
    """
    secret = errors.wanted("nacl.secret", "a key under a password")
    from nacl.exceptions import CryptoError

    try:
        sealed = msgspec.json.decode(document, type=_Sealed)
    except UNREADABLE as error:
        raise errors.InvalidInput(f"the private key is damaged: {error}") from error
    params = sealed.kdf.params
    if (sealed.kdf.name, sealed.cipher.name) != ("scrypt", "nacl/secretbox"):
        raise errors.Unsupported(
            f"keys sealed with {sealed.kdf.name} and {sealed.cipher.name} cannot be read"
        )
    if (params.r, params.p) != (_R, _P) or params.N not in _KNOWN_N:
        raise errors.Unsupported(
            f"keys with scrypt parameters {params.N}, {params.r}, {params.p} cannot be read"
        )
    try:
        opened: bytes = secret.SecretBox(_derive(password, sealed.kdf.salt, params.N)).decrypt(
            sealed.ciphertext, sealed.cipher.nonce
        )
    except (CryptoError, ValueError) as error:
        raise errors.NotPermitted(
            "the password does not open the private key", "set COSIGN_PASSWORD"
        ) from error
    return opened


def _derive(password: bytes, salt: bytes, n: int) -> bytes:
    return hashlib.scrypt(password, salt=salt, n=n, r=_R, p=_P, maxmem=_MEMORY_BYTES, dklen=_KEY_BYTES)
