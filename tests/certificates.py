"""Certificates of an authority of the suite's own: files as servers, Docker and podman want them."""

from __future__ import annotations

import datetime
import ipaddress
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

__all__ = ["Authority", "Pair"]

_VALID = datetime.timedelta(days=1)
_ADDRESSES = ("127.0.0.1", "::1")


class Pair(NamedTuple):
    """A certificate and its key, both PEM."""

    certificate: Path
    key: Path


class Authority:
    """Signs certificates for servers on this machine, and for clients.

    >>> Authority(tmp).server("registry")  # doctest: +SKIP
    """

    def __init__(self, folder: Path, name: str = "containerlab test authority") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._name = folder, _named(name)
        self._key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(self._name, self._name, self._key)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        builder = builder.add_extension(
            x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False
        )
        self.certificate = folder / "ca.crt"
        """What clients are to trust."""
        self.certificate.write_bytes(_pem(builder.sign(self._key, hashes.SHA256())))

    def server(self, name: str = "server", *, expired: bool = False, host: str = "localhost") -> Pair:
        """Make a pair for `host` and the loopback addresses; for another host, for that alone."""
        names: list[x509.GeneralName] = [x509.DNSName(host)]
        if host == "localhost":
            names += [x509.IPAddress(ipaddress.ip_address(each)) for each in _ADDRESSES]
        alternatives = x509.SubjectAlternativeName(names)
        return self._pair(name, ExtendedKeyUsageOID.SERVER_AUTH, alternatives, expired)

    def client(self, name: str = "client") -> Pair:
        """Make a pair that a client shows."""
        return self._pair(name, ExtendedKeyUsageOID.CLIENT_AUTH, None, False)

    def _pair(
        self, name: str, use: x509.ObjectIdentifier, names: x509.SubjectAlternativeName | None, expired: bool
    ) -> Pair:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(_named(name), self._name, key, expired)
        builder = builder.add_extension(x509.ExtendedKeyUsage([use]), critical=False)
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        builder = builder.add_extension(authority, critical=False)
        if names:
            builder = builder.add_extension(names, critical=False)
        pair = Pair(self._folder / f"{name}.cert", self._folder / f"{name}.key")
        pair.certificate.write_bytes(_pem(builder.sign(self._key, hashes.SHA256())))
        pair.key.touch(0o600)
        pair.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return pair


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, expired: bool = False
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    start, end = (now - 2 * _VALID, now - _VALID) if expired else (now - _VALID, now + _VALID)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
