"""Keys and signatures, against what cosign made and what openssl makes and checks."""

from __future__ import annotations

import base64
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from hypothesis import given, settings
from hypothesis import strategies as st
from nacl import bindings

from containerlab import errors
from containerlab.distribution.signatures import encrypted, keys, payload, pem

# Of go-securesystemslib, encrypted/encrypted_test.go: what is sealed with the password "supersecret".
SEALED = [
    (
        b'{"kdf":{"name":"scrypt","params":{"N":32768,"r":8,"p":1},'
        b'"salt":"N9a7x5JFGbrtB2uBR81jPwp0eiLR4A7FV3mjVAQrg1g="},'
        b'"cipher":{"name":"nacl/secretbox","nonce":"2h8HxMmgRfuYdpswZBQaU3xJ1nkA/5Ik"},'
        b'"ciphertext":"SEW6sUh0jf2wfdjJGPNS9+bkk2uB+Cxamf32zR8XkQ=="}',
        b"reallyimportant",
    ),
    (
        b'{"kdf":{"name":"scrypt","params":{"N":65536,"r":8,"p":1},'
        b'"salt":"FhzPOt9/bJG4PTq6lQ6ecG6GzaOuOy/ynG5+yRiFlNs="},'
        b'"cipher":{"name":"nacl/secretbox","nonce":"aw1ng1jHaDz/tQ7V2gR9O2+IGQ8xJEuE"},'
        b'"ciphertext":"HycvuLZL4sYH0BrYTh4E/H20VtAW6u5zL5Pr+IBjYLYnCPzDkq8="}',
        b'"cmVhbGx5aW1wb3J0YW50"',
    ),
]
# Of containers/image, signature/internal/testdata: what cosign signed, and the key of fixtures/fulcio-cert.
SIGNED = (
    b'{"critical":{"identity":{"docker-reference":"192.168.64.2:5000/test-repo-2100826901021538654/alpine"},'
    b'"image":{"docker-manifest-digest":'
    b'"sha256:fa93b01658e3a5a1686dc3ae55f170d8de487006fb53a28efcd12ab0710a2e5f"},'
    b'"type":"cosign container image signature"},"optional":null}'
)
SIGNATURE = base64.b64decode(
    "MEQCIEJc96e041VAhKA03SvfCYbWodIMIQPyAtWyDP4FnPqpAiAaIS60EjhRDhSanoFsoIy8fKqqKeW5ps/tLXSGpayi2g=="
)
KEY = b"""-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEJBurkhSRmHukHVh3VA8nYuSWqZ4l
tafDwyWlc3c9NaLovmu+NC4NiUtMLifL/P3nqedbnctKBuYmfISGiZlVyA==
-----END PUBLIC KEY-----
"""


def _nobody() -> str:
    raise AssertionError("nobody was to be asked for a password")


def test_what_cosign_signed_is_verified() -> None:
    key = keys.read_public(KEY, "key")
    assert key.has_signed(SIGNED, SIGNATURE)
    assert not key.has_signed(SIGNED.replace(b"fa93", b"fa94"), SIGNATURE)
    assert not key.has_signed(SIGNED, SIGNATURE[:-1] + b"\0")
    assert not key.has_signed(SIGNED, b"")


def test_our_statement_is_cosigns_byte_for_byte() -> None:
    statement = payload.read(SIGNED)
    assert statement.identity == "192.168.64.2:5000/test-repo-2100826901021538654/alpine"
    assert payload.write(statement) == SIGNED


def test_statements_are_written_as_go_does() -> None:
    written = payload.write(payload.Statement("r/a", "sha256:0", {"z": "<&>\u2028", "a": "é"}))
    assert written.endswith('"optional":{"a":"é","z":"\\u003c\\u0026\\u003e\\u2028"}}'.encode())
    assert payload.read(written).annotations == {"z": "<&>\u2028", "a": "é"}


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"null",
        b"{}",
        b"[" * 100_000,
        SIGNED.replace(b"cosign container image signature", b"atomic container signature"),
        SIGNED.replace(b'"docker-reference":', b'"docker-referenz":'),
        SIGNED.replace(b'"optional":null', b'"optional":[]'),
    ],
)
def test_what_is_no_statement(raw: bytes) -> None:
    with pytest.raises(errors.CorruptContent):
        payload.read(raw)


@pytest.mark.parametrize(("document", "content"), SEALED)
def test_what_others_sealed_is_opened(document: bytes, content: bytes) -> None:
    assert encrypted.open_sealed(document, b"supersecret") == content
    with pytest.raises(errors.NotPermitted, match="does not open"):
        encrypted.open_sealed(document, b"supersecrets")


@pytest.mark.parametrize(
    ("old", "new", "kind"),
    [
        (b'"N":32768', b'"N":1073741824', errors.Unsupported),
        (b'"N":32768', b'"N":-1', errors.Unsupported),
        (b'"r":8', b'"r":99', errors.Unsupported),
        (b'"scrypt"', b'"none"', errors.Unsupported),
        (b"nacl/secretbox", b"rot13", errors.Unsupported),
        (b'"2h8HxMmgRfuYdpswZBQaU3xJ1nkA/5Ik"', b'""', errors.NotPermitted),
        (b'"SEW6', b'"', errors.LabError),
        (b'"kdf"', b'"kdg"', errors.InvalidInput),
    ],
)
def test_sealed_documents_that_are_wrong(old: bytes, new: bytes, kind: type[errors.LabError]) -> None:
    document = SEALED[0][0]
    assert old in document
    with pytest.raises(kind):
        encrypted.open_sealed(document.replace(old, new), b"supersecret")


def test_a_new_pair_signs_and_verifies() -> None:
    pair = keys.generate("pw")
    assert pair.private.startswith(b"-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\n")
    private = keys.read_private(pair.private, "key", lambda: "pw")
    assert keys.read_public(pair.public, "key").has_signed(b"message", private.sign(b"message"))
    assert private.public.to_pem() == pair.public
    with pytest.raises(errors.NotPermitted, match="does not open"):
        keys.read_private(pair.private, "key", lambda: "wrong")
    old = pair.private.replace(b"SIGSTORE", b"COSIGN")
    assert keys.read_private(old, "key", lambda: "pw").public.to_pem() == pair.public


# openssl

pytestmark = pytest.mark.skipif(not shutil.which("openssl"), reason="needs openssl")


def _openssl(*words: str) -> bytes:
    return subprocess.run(["openssl", *words], check=True, capture_output=True).stdout


KINDS = {
    "p256": (["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"], "-sha256"),
    "p384": (["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"], "-sha384"),
    "p521": (["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-521"], "-sha512"),
    "sec1": (["ecparam", "-name", "prime256v1", "-genkey"], "-sha256"),
    "rsa": (["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"], "-sha256"),
    "pkcs1": (["genrsa", "-traditional", "2048"], "-sha256"),
    "ed25519": (["genpkey", "-algorithm", "ED25519"], ""),
}


@pytest.mark.parametrize("kind", KINDS)
def test_openssl_checks_what_we_sign_and_we_check_what_it_signs(kind: str, tmp_path: Path) -> None:
    words, digest = KINDS[kind]
    private, public, message, signature = (tmp_path / name for name in ("key", "pub", "message", "signature"))
    private.write_bytes(_openssl(*words))
    public.write_bytes(_openssl("pkey", "-in", str(private), "-pubout"))
    message.write_bytes(SIGNED)
    key = keys.read_private(private.read_bytes(), "key", _nobody)
    assert key.public.to_pem() == public.read_bytes()
    signature.write_bytes(key.sign(SIGNED))
    files = ["-in", str(message), "-rawin", *([] if not digest else ["-digest", digest[1:]])]
    checked = ["pkeyutl", "-verify", "-pubin", "-inkey", str(public), "-sigfile", str(signature), *files]
    assert b"Verified Successfully" in _openssl(*checked)
    theirs = _openssl("pkeyutl", "-sign", "-inkey", str(private), *files)
    verifier = keys.read_public(public.read_bytes(), "key")
    assert verifier.has_signed(SIGNED, theirs)
    assert not verifier.has_signed(SIGNED + b" ", theirs)


def test_old_cosign_signed_with_sha256_whatever_the_curve(tmp_path: Path) -> None:
    private = tmp_path / "key"
    private.write_bytes(_openssl(*KINDS["p384"][0]))
    (tmp_path / "message").write_bytes(SIGNED)
    files = ["-in", str(tmp_path / "message"), "-rawin", "-digest", "sha256"]
    signature = _openssl("pkeyutl", "-sign", "-inkey", str(private), *files)
    assert keys.read_private(private.read_bytes(), "key", _nobody).public.has_signed(SIGNED, signature)


@pytest.mark.parametrize("form", ["pkcs8", "traditional"])
def test_openssls_keys_under_a_password(form: str, tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.write_bytes(_openssl(*KINDS["p256"][0]))
    words = ["pkcs8", "-topk8"] if form == "pkcs8" else ["ec", "-aes256"]
    sealed = _openssl(*words, "-in", str(plain), "-passout", "pass:pw")
    assert keys.read_private(sealed, "key", lambda: "pw").sign(b"")
    with pytest.raises(errors.NotPermitted, match="does not open key"):
        keys.read_private(sealed, "key", lambda: "wrong")


def test_the_hashed_form_of_ed25519_is_checked_too() -> None:
    """As RFC 8032, 7.3 has it, and as cosign makes it from its version 3 on."""
    seed = bytes.fromhex("833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42")
    signature = bytes.fromhex(
        "98a70222f0b8121aa9d30f813d683f809e462b469c7ff87639499bb94e6dae41"
        "31f85042463c2a355a2003d062adf5aaa10b8c61e636062aaad11c2a26083406"
    )
    key = keys.PublicKey(ed25519.Ed25519PrivateKey.from_private_bytes(seed).public_key())
    assert key.has_signed(b"abc", signature)
    assert not key.has_signed(b"abd", signature)
    assert not key.has_signed(b"abc", signature[:-1])
    assert len(signature) == bindings.crypto_sign_BYTES


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"], "RSA 1024"),
        (["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:secp256k1"], "EC 256"),
        (["genpkey", "-algorithm", "X25519"], "X25519"),
        (["genpkey", "-algorithm", "ED448"], "Ed448"),
    ],
)
def test_kinds_that_cosign_does_not_take_either(words: list[str], said: str, tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(_openssl(*words))
    with pytest.raises(errors.Unsupported, match=said):
        keys.read_private((tmp_path / "key").read_bytes(), "key", _nobody)
    public = _openssl("pkey", "-in", str(tmp_path / "key"), "-pubout")
    with pytest.raises(errors.Unsupported, match=said):
        keys.read_public(public, "key")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is not PEM"),
        (b"\x00\xff", "is not PEM"),
        (KEY, "holds PUBLIC KEY"),
        (pem.write("PRIVATE KEY", b"nonsense"), "no key that can be read"),
        (b"-----BEGIN PRIVATE KEY-----\n!!!\n-----END PRIVATE KEY-----", "base64"),
        (pem.write("ENCRYPTED SIGSTORE PRIVATE KEY", b"nonsense"), "damaged"),
        (pem.write("ENCRYPTED PRIVATE KEY", b"nonsense"), "key"),
        (b"-----BEGIN PRIVATE KEY-----\n" * 10_000, "is not PEM"),
    ],
)
def test_what_is_no_private_key(data: bytes, said: str) -> None:
    with pytest.raises(errors.LabError, match=said):
        keys.read_private(data, "key", lambda: "pw")


@given(st.binary(max_size=300))
@settings(max_examples=50)
def test_no_bytes_break_a_reader(data: bytes) -> None:
    for label in ("PUBLIC KEY", "PRIVATE KEY", "EC PRIVATE KEY", "RSA PUBLIC KEY"):
        for raw in (data, pem.write(label, data)):
            with pytest.raises(errors.LabError):
                keys.read_public(raw, "key")
            with pytest.raises(errors.LabError):
                keys.read_private(raw, "key", lambda: "")
    assert not keys.read_public(KEY, "key").has_signed(SIGNED, data)
