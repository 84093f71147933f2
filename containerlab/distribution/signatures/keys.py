"""Keys: made, read and used as cosign does.

| key | signature |
|---|---|
| ECDSA P-256, P-384, P-521 | DER, over SHA-256, SHA-384, SHA-512 |
| RSA 2048, 3072, 4096 | PKCS #1 v1.5 over SHA-256 |
| Ed25519 | plain Ed25519, which every cosign checks; Ed25519ph, which its version 3 makes, is checked too |

Cosign up to 2 used SHA-256 with every curve, so that is checked too.
Source: sigstore/cosign, pkg/cosign/keys.go; sigstore/sigstore, pkg/signature; RFC 8032.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from containerlab import errors
from containerlab.distribution.signatures import encrypted, pem

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
    from cryptography.hazmat.primitives.hashes import HashAlgorithm

    _Private = EllipticCurvePrivateKey | Ed25519PrivateKey | RSAPrivateKey
    _Public = EllipticCurvePublicKey | Ed25519PublicKey | RSAPublicKey

__all__ = ["Pair", "Password", "PrivateKey", "PublicKey", "generate", "read_private", "read_public"]

Password = Callable[[], str]
"""Is asked for a password when a key needs one."""

_COSIGN = ("ENCRYPTED SIGSTORE PRIVATE KEY", "ENCRYPTED COSIGN PRIVATE KEY")
_OPENSSL = ("PRIVATE KEY", "ENCRYPTED PRIVATE KEY", "EC PRIVATE KEY", "RSA PRIVATE KEY")
_RSA_BITS = (2048, 3072, 4096)
_CURVES = {"secp256r1": "SHA256", "secp384r1": "SHA384", "secp521r1": "SHA512"}
"""With the hash that goes with each."""
_PURPOSE = "signing"


class Pair(NamedTuple):
    """A private key under a password and its public key, as PEM."""

    private: bytes
    public: bytes


class PublicKey:
    """Checks signatures."""

    def __init__(self, key: _Public) -> None:
        self._key = key

    def has_signed(self, message: bytes, signature: bytes) -> bool:
        """Tell whether a signature of the message is by this key."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

        key = self._key
        with contextlib.suppress(InvalidSignature, ValueError):
            if isinstance(key, ed25519.Ed25519PublicKey):
                return _is_ed25519(key, message, signature)
            if isinstance(key, rsa.RSAPublicKey):
                key.verify(signature, message, padding.PKCS1v15(), _hash("SHA256"))
                return True
            if _hash_of(key).name != "sha256":
                with contextlib.suppress(InvalidSignature):
                    key.verify(signature, message, ec.ECDSA(_hash("SHA256")))
                    return True
            key.verify(signature, message, ec.ECDSA(_hash_of(key)))
            return True
        return False

    def to_pem(self) -> bytes:
        """Write it as `PUBLIC KEY`."""
        from cryptography.hazmat.primitives import serialization as forms

        return self._key.public_bytes(forms.Encoding.PEM, forms.PublicFormat.SubjectPublicKeyInfo)


class PrivateKey:
    """Makes signatures."""

    def __init__(self, key: _Private) -> None:
        self._key = key

    @property
    def public(self) -> PublicKey:
        return PublicKey(self._key.public_key())

    def sign(self, message: bytes) -> bytes:
        """Return the signature of a message."""
        from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

        key = self._key
        if isinstance(key, ed25519.Ed25519PrivateKey):
            return key.sign(message)
        if isinstance(key, rsa.RSAPrivateKey):
            return key.sign(message, padding.PKCS1v15(), _hash("SHA256"))
        return key.sign(message, ec.ECDSA(_hash_of(key)))


def generate(password: str) -> Pair:
    """Make a pair of ECDSA P-256."""
    errors.wanted("cryptography", _PURPOSE)
    from cryptography.hazmat.primitives import serialization as forms
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    plain = key.private_bytes(forms.Encoding.DER, forms.PrivateFormat.PKCS8, forms.NoEncryption())
    sealed = pem.write(_COSIGN[0], encrypted.seal(plain, password.encode()))
    return Pair(sealed, PrivateKey(key).public.to_pem())


def read_private(data: bytes, what: str, password: Password) -> PrivateKey:
    """Read a private key of cosign or openssl.

    what: names it in errors. password: is asked only when the key needs one.

    Raises: InvalidInput; NotPermitted for a wrong password; Unsupported for other kinds of keys.
    """
    errors.wanted("cryptography", _PURPOSE)
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_der_private_key, load_pem_private_key

    block = pem.block_of(data, what, (*_COSIGN, *_OPENSSL))
    is_sealed = block.label == "ENCRYPTED PRIVATE KEY" or b"Proc-Type: 4,ENCRYPTED" in block.text
    secret = password().encode() if is_sealed or block.label in _COSIGN else None
    plain = encrypted.open_sealed(block.content, secret or b"") if block.label in _COSIGN else b""
    try:
        key = load_der_private_key(plain, None) if plain else load_pem_private_key(block.text, secret)
    except (ValueError, TypeError) as error:
        if is_sealed and "password" in str(error).lower():
            raise errors.NotPermitted(f"the password does not open {what}", "set COSIGN_PASSWORD") from error
        raise errors.InvalidInput(f"{what} is no key that can be read: {error}") from error
    except UnsupportedAlgorithm as error:
        raise errors.Unsupported(f"{what}: {error}") from error
    _check(key.public_key(), what)
    return PrivateKey(key)  # type: ignore[arg-type]  # checked


def read_public(data: bytes, what: str) -> PublicKey:
    """Read a public key. Raises: InvalidInput, Unsupported."""
    errors.wanted("cryptography", _PURPOSE)
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    block = pem.block_of(data, what, ("PUBLIC KEY", "RSA PUBLIC KEY"))
    try:
        key = load_pem_public_key(block.text)
    except ValueError as error:
        raise errors.InvalidInput(f"{what} is no key that can be read: {error}") from error
    except UnsupportedAlgorithm as error:
        raise errors.Unsupported(f"{what}: {error}") from error
    _check(key, what)
    return PublicKey(key)  # type: ignore[arg-type]  # checked


def _check(key: object, what: str) -> None:
    """Raise Unsupported for keys that cosign does not take either."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    if isinstance(key, ed25519.Ed25519PublicKey):
        return
    if isinstance(key, rsa.RSAPublicKey) and key.key_size in _RSA_BITS:
        return
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _CURVES:
        return
    size = getattr(key, "key_size", "")
    kind = type(key).__name__.lstrip("_").removesuffix("PublicKey")
    raise errors.Unsupported(
        f"{what} is a key of the kind {kind} {size}".rstrip(), "use ECDSA P-256, Ed25519 or RSA 3072"
    )


def _hash(name: str) -> HashAlgorithm:
    from cryptography.hazmat.primitives import hashes

    made: HashAlgorithm = getattr(hashes, name)()
    return made


def _hash_of(key: EllipticCurvePrivateKey | EllipticCurvePublicKey) -> HashAlgorithm:
    return _hash(_CURVES[key.curve.name])


def _is_ed25519(key: Ed25519PublicKey, message: bytes, signature: bytes) -> bool:
    """Check a plain signature, and one of the message's SHA-512: RFC 8032, 5.1, Ed25519ph."""
    from cryptography.exceptions import InvalidSignature

    with contextlib.suppress(InvalidSignature):
        key.verify(signature, message)
        return True
    bindings = errors.wanted("nacl.bindings", "checking an Ed25519ph signature")
    from nacl.exceptions import CryptoError

    state = bindings.crypto_sign_ed25519ph_state()
    bindings.crypto_sign_ed25519ph_update(state, message)
    with contextlib.suppress(CryptoError, ValueError, TypeError):
        return bool(bindings.crypto_sign_ed25519ph_final_verify(state, signature, key.public_bytes_raw()))
    return False
