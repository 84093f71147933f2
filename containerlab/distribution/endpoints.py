"""Where a name leads: the endpoints to try in order, with the certificates that count there.

**Plain HTTP** is spoken only to this machine (localhost, 127.0.0.0/8, ::1), to what registries.conf calls
insecure, and where the caller says `tls_verify=False`; and there, too, only when the other side does not
speak TLS. Unlike dockerd, a certificate on the loopback is checked like any other.

**Certificates** (`*.crt` authorities beside the system's, `*.cert` with `*.key` the client's own) are those
of the first folder that is there, named as the host with its port:

    ~/.config/containers/certs.d     podman, the user's
    /etc/containers/certs.d          podman
    ~/.config/docker/certs.d         docker without root
    /etc/docker/certs.d              docker

Source: docker/docs, engine/security/certificates; containers-certs.d(5).
"""

from __future__ import annotations

import ipaddress
import os
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from containerlab import errors
from containerlab.distribution import registries_conf
from containerlab.oci.reference import DEFAULT_REGISTRY

if TYPE_CHECKING:
    from containerlab.distribution.registries_conf import Source
    from containerlab.oci.reference import Reference

__all__ = ["Endpoint", "TlsFiles", "endpoint", "endpoints", "host_name", "is_loopback", "tls_files"]

_HUB = "registry-1.docker.io"


class TlsFiles(msgspec.Struct, frozen=True):
    """Certificates for one host, as paths."""

    authorities: tuple[str, ...] = ()
    """Trusted beside those of the system."""
    pairs: tuple[tuple[str, str], ...] = ()
    """Certificate and key that the client shows."""


class Endpoint(msgspec.Struct, frozen=True):
    """One place that serves a repository."""

    url: str
    """https://host:port, without a slash at the end and without /v2."""
    registry: str
    """Whose credentials are used."""
    repository: str = ""
    """Its path there: mirrors may rewrite it."""
    tls: TlsFiles | None = None
    is_verified: bool = True
    """Whether a certificate that nobody vouches for is refused."""
    may_be_plain: bool = False
    """Whether plain HTTP is spoken when the other side has no TLS."""
    is_mirror: bool = False
    is_public_only: bool = False
    """Whether it, and where it redirects to, must be an address of the internet: for what a server does by
    itself, so that nobody looks through it into its network."""


def endpoints(
    reference: Reference, *, for_push: bool = False, tls_verify: bool | None = None
) -> list[Endpoint]:
    """Return where a name can be pulled from, mirrors first; or the one place to which it is pushed.

    tls_verify: True insists on TLS, False does without it; by default registries.conf and the host decide.

    Raises: NotPermitted when registries.conf blocks it; InvalidInput when that cannot be read.
    """
    registries = registries_conf.load()
    sources = [registries.target(reference)] if for_push else registries.sources(reference)
    return [_endpoint(source, tls_verify) for source in sources]


def endpoint(registry: str, *, tls_verify: bool | None = None) -> Endpoint:
    """Return the endpoint of a registry itself, for what has no repository: `login`, the catalogue."""
    rule = registries_conf.load().rule_for(registry)
    return _endpoint(registries_conf.Source(registry, "", bool(rule and rule.insecure)), tls_verify)


def _endpoint(source: Source, tls_verify: bool | None) -> Endpoint:
    host = _HUB if source.registry == DEFAULT_REGISTRY else source.registry
    _check_host(host)
    is_insecure = source.insecure if tls_verify is None else not tls_verify
    return Endpoint(
        url=f"https://{host}",
        registry=source.registry,
        repository=source.repository,
        tls=tls_files(host),
        is_verified=not is_insecure,
        may_be_plain=is_insecure or (tls_verify is None and is_loopback(host_name(host))),
        is_mirror=source.is_mirror,
    )


def _check_host(host: str) -> None:
    try:
        parts = urlsplit(f"https://{host}")
        is_host = bool(parts.hostname) and parts.netloc == host and "@" not in host and parts.port != 0
    except ValueError:  # a port above 65535, half a bracket
        is_host = False
    if not is_host or not host.isprintable() or " " in host:
        raise errors.InvalidInput(f"{host!r} is not a registry", "write host or host:port")


def host_name(host: str) -> str:
    """Return a host without its port.

    >>> host_name("localhost:5000"), host_name("[::1]:5000")
    ('localhost', '::1')
    """
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def is_loopback(name: str) -> bool:
    """Tell whether a host name or address is this machine for certain: by its spelling, not by DNS.

    >>> is_loopback("localhost"), is_loopback("127.1.2.3"), is_loopback("::1"), is_loopback("localhost.evil")
    (True, True, True, False)
    """
    if name.lower().rstrip(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def tls_files(host: str) -> TlsFiles | None:
    """Return the certificates for `host` or `host:port`; None when there is no folder for it.

    Raises: InvalidInput when a certificate lacks its key, or a key its certificate.
    """
    for place in _places():
        folder = f"{place}/{host}"
        try:
            names = set(os.listdir(folder))
        except OSError:
            continue
        return _in_folder(folder, names)
    return None


def _places() -> list[str]:
    settings = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    containers, docker = "containers/certs.d", "docker/certs.d"
    return [f"{settings}/{containers}", f"/etc/{containers}", f"{settings}/{docker}", f"/etc/{docker}"]


def _in_folder(folder: str, names: set[str]) -> TlsFiles:
    pairs = []
    for name in sorted(names):
        stem, extension = os.path.splitext(name)
        other = {".cert": ".key", ".key": ".cert"}.get(extension)
        if other and stem + other not in names:
            missing = "key" if other == ".key" else "certificate"
            raise errors.InvalidInput(
                f"{folder}/{name} lacks its {missing}",
                f"put {stem}{other} beside it; authorities end in .crt",
            )
        if extension == ".cert":
            pairs.append((f"{folder}/{name}", f"{folder}/{stem}.key"))
    authorities = (f"{folder}/{name}" for name in sorted(names) if name.endswith(".crt"))
    return TlsFiles(tuple(authorities), tuple(pairs))
