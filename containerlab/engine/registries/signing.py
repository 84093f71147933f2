"""Sign images, verify them, make keys for it: in cosign's words and formats."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import msgspec

from containerlab import errors
from containerlab.distribution.signatures import keys, operations, payload
from containerlab.engine import asking
from containerlab.linux.files import write_all
from containerlab.oci.reference import Reference
from containerlab.views import html

if TYPE_CHECKING:
    from collections.abc import Mapping

    from containerlab.distribution.signatures.operations import Finding

__all__ = ["KeyPair", "Signature", "Verification", "make_key_pair", "sign", "verify"]

_PASSWORD = "COSIGN_PASSWORD"
_USUAL_PREFIX = "cosign"
_MOST_KEY_BYTES = 1 << 20


class Signature(html.Shown, msgspec.Struct, frozen=True, kw_only=True):
    """That an image is signed."""

    image: str
    digest: str
    """Of the manifest that is signed."""
    place: str
    """The signature's own manifest, at the image's registry."""

    def to_text(self) -> str:
        return f"Pushed signature to: {self.place}"

    def __repr__(self) -> str:
        return self.to_text()


class Verification(html.Shown, msgspec.Struct, frozen=True, kw_only=True):
    """That at least one signature of an image is right, and what all of them are."""

    image: str
    digest: str
    signatures: tuple[Finding, ...]
    notices: tuple[str, ...] = ()
    """What is wrong with others."""

    def to_text(self) -> str:
        """Say it as cosign does, with the statements as JSON in the last line."""
        right = [each.statement for each in self.signatures if each.statement and not each.problem]
        statements = ",".join(payload.write(each).decode() for each in right)
        return "\n".join(
            (
                f"Verification for {self.image} --",
                "The following checks were performed on each of these signatures:",
                "  - The cosign claims were validated",
                "  - The signatures were verified against the specified public key",
                f"[{statements}]",
            )
        )

    def __repr__(self) -> str:
        right = sum(not each.problem for each in self.signatures)
        return f"<Verification of {self.image}: {right} of {len(self.signatures)} signatures>"


class KeyPair(html.Shown, msgspec.Struct, frozen=True, kw_only=True):
    """Two new files."""

    private: str
    public: str

    def to_text(self) -> str:
        return f"Private key written to {self.private}\nPublic key written to {self.public}"

    def __repr__(self) -> str:
        return self.to_text()


def sign(image: str, given: Mapping[str, Any], face: str) -> Signature:
    """Sign what an image name leads to at its registry. face: where its user is, for prompts."""
    path = _named(given, "private key", "cosign.key")
    key = keys.read_private(_read(path), path, lambda: _password(face))
    signed = operations.sign(
        Reference.parse(image),
        key,
        given.get("annotations", {}),
        as_referrer=bool(given.get("referrer")),
        tls_verify=given.get("tls_verify"),
    )
    return Signature(image=signed.image, digest=signed.digest, place=signed.place)


def verify(image: str, given: Mapping[str, Any]) -> Verification:
    """Verify the signatures of what an image name leads to at its registry."""
    path = _named(given, "public key", "cosign.pub")
    key = keys.read_public(_read(path), path)
    found = operations.verify(
        Reference.parse(image), key, given.get("annotations", {}), tls_verify=given.get("tls_verify")
    )
    others = (f"{each.where[:19]}: {each.problem}" for each in found.findings if each.problem)
    return Verification(
        image=found.image, digest=found.digest, signatures=found.findings, notices=tuple(others)
    )


def make_key_pair(prefix: str, face: str) -> KeyPair:
    """Write a new pair of keys; what is there is not replaced."""
    private, public = f"{prefix or _USUAL_PREFIX}.key", f"{prefix or _USUAL_PREFIX}.pub"
    for path in (private, public):
        if os.path.lexists(path):
            raise errors.AlreadyExists(
                f"{path} is there", "give another --output-key-prefix, or move it away"
            )
    pair = keys.generate(_password(face, is_new=True))
    _write(private, pair.private, 0o600)
    _write(public, pair.public, 0o644)
    return KeyPair(private=private, public=public)


def _named(given: Mapping[str, Any], what: str, usual: str) -> str:
    if path := given.get("key"):
        return str(path)
    raise errors.InvalidInput(f"no {what} is given", f"give --key {usual}")


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(_MOST_KEY_BYTES)
    except OSError as error:
        raise errors.of_the_system(error, "read the key") from error


def _write(path: str, content: bytes, mode: int) -> None:
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        try:
            write_all(fd, content)
        finally:
            os.close(fd)
    except OSError as error:
        raise errors.of_the_system(error, "write the key") from error


def _password(face: str, *, is_new: bool = False) -> str:
    """Return the password of a private key: from the variable, else of whoever is asked; it may be empty."""
    if (given := os.environ.get(_PASSWORD)) is not None:
        return given
    asking.check_somebody_is_there(face, "the password of the key", f"set {_PASSWORD}; it may be empty")
    ask = asking.ask_new_secret if is_new else asking.ask_secret
    return ask("Enter password for private key: ")
