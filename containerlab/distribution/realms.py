"""Which token servers a registry may send one to.

A registry names its token server in an answer, and whoever can put words into that answer would get the
password. So credentials go to a realm only inside the registry's trust boundary, as distribution 3.1.1 draws
it (CVE-2026-33540): the same host and port, or another host of the same registrable domain (auth.docker.io
for registry-1.docker.io), and no address or localhost unless it is the very same. Another realm is asked
without credentials, which is enough for what is public; never over plain HTTP when the registry speaks TLS,
and never on this machine or at a bare address when the registry is not there.

`CONTAINERLAB_TRUSTED_REALMS=host[:port],…` moves the boundary.
"""

from __future__ import annotations

import ipaddress
import os
from typing import Literal
from urllib.parse import SplitResult, urlsplit

__all__ = ["Trust", "authority", "judge"]

Trust = Literal["trusted", "anonymous", "refused"]

# fmt: off
_SECOND_LEVEL = {
    "ac", "co", "com", "ed", "edu", "go", "gob", "gouv", "gov", "gv", "id", "ltd", "me", "mil", "ne", "net",
    "nom", "or", "org", "plc", "sch",
}
"""Below a country: example.co.uk is registered, co.uk is not."""
_SHARED = {
    "amazonaws.com", "appspot.com", "azure.com", "azurecr.io", "azurewebsites.net", "cloudfront.net",
    "duckdns.org", "fly.dev", "github.io", "gitlab.io", "herokuapp.com", "jfrog.io", "netlify.app",
    "ngrok-free.app", "ngrok.io", "nip.io", "onrender.com", "pages.dev", "run.app", "sslip.io", "vercel.app",
    "web.app", "windows.net", "workers.dev",
}
"""Names below which everybody can have one."""
# fmt: on


def judge(registry_url: str, realm: str) -> Trust:
    """Say what a token server may be given.

    >>> judge("https://registry-1.docker.io", "https://auth.docker.io/token")
    'trusted'
    >>> judge("https://registry.example.com", "https://evil.example.net/token")
    'anonymous'
    >>> judge("https://registry.example.com", "http://registry.example.com/token")
    'refused'
    """
    try:
        registry, server = urlsplit(registry_url), urlsplit(realm)
        own, other = authority(registry), authority(server)
    except ValueError:
        return "refused"
    if server.scheme not in {"https", registry.scheme} or "@" in server.netloc or not server.hostname:
        return "refused"
    if own == other or _is_listed(server):
        return "trusted"
    if _is_bare(own[0]) or _is_bare(other[0]):
        return "anonymous" if _is_bare(own[0]) else "refused"
    return "trusted" if _registrable(own[0]) == _registrable(other[0]) != "" else "anonymous"


def authority(parts: SplitResult) -> tuple[str, int]:
    """Return host and port of a URL; raises ValueError when it has a port that is none."""
    return (parts.hostname or "").rstrip("."), parts.port or (443 if parts.scheme == "https" else 80)


def _is_listed(server: SplitResult) -> bool:
    listed = {each.strip() for each in os.environ.get("CONTAINERLAB_TRUSTED_REALMS", "").split(",")}
    host, port = authority(server)
    return bool({host, f"{host}:{port}"} & (listed - {""}))


def _is_bare(host: str) -> bool:
    """Tell whether a host is an address or this machine: nobody registers those."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost") or "." not in host
    return True


def _registrable(host: str) -> str:
    """Return the part of a name that somebody registered; a short stand-in for the public suffix list.

    >>> _registrable("a.b.example.com"), _registrable("r.example.co.uk"), _registrable("me.azurecr.io")
    ('example.com', 'example.co.uk', 'me.azurecr.io')
    """
    labels = host.split(".")
    is_suffix = len(labels[-1]) == 2 and labels[-2] in _SECOND_LEVEL
    kept = 3 if is_suffix or ".".join(labels[-2:]) in _SHARED else 2
    return ".".join(labels[-kept:]) if len(labels) >= kept else ""
