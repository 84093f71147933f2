"""Which proxy leads to a host, by HTTP_PROXY, HTTPS_PROXY and NO_PROXY.

This machine is never reached through a proxy. NO_PROXY has, with commas between: `*`, addresses, networks in
CIDR, names (with all below them), `.name` (only what is below), each with a port or without.
Source: golang.org/x/net/http/httpproxy, which Docker and podman use.
"""

from __future__ import annotations

import ipaddress
import os
from urllib.parse import urlsplit

from containerlab import errors
from containerlab.distribution.endpoints import host_name, is_loopback

__all__ = ["proxy_for"]


def proxy_for(url: str) -> str | None:
    """Return the URL of the proxy for a URL; None is the direct way.

    Raises: InvalidInput when the variable holds no URL of a proxy.
    """
    parts = urlsplit(url)
    name = f"{parts.scheme}_proxy"
    if name == "http_proxy" and "REQUEST_METHOD" in os.environ:
        return None  # a CGI program gets headers of its clients as variables: CVE-2016-5385
    found = os.environ.get(name.upper()) or os.environ.get(name, "")
    host = parts.hostname or ""
    if not found or is_loopback(host):
        return None
    exceptions = os.environ.get("NO_PROXY") or os.environ.get("no_proxy", "")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    if any(_excepts(each.strip().lower(), host, port) for each in exceptions.split(",")):
        return None
    return _checked(found if "://" in found else f"http://{found}", name.upper())


def _checked(proxy: str, variable: str) -> str:
    try:
        parts = urlsplit(proxy)
        if parts.scheme in ("http", "https") and parts.hostname and parts.port != 0:
            return proxy
    except ValueError:  # of a port that is none
        pass
    raise errors.InvalidInput(f"{variable} is not the address of an HTTP proxy", "write http://host:port")


def _excepts(pattern: str, host: str, port: int) -> bool:
    """Tell whether one entry of NO_PROXY holds for a host.

    >>> _excepts("example.com", "a.example.com", 443), _excepts(".example.com", "example.com", 443)
    (True, False)
    >>> _excepts("10.0.0.0/8", "10.1.2.3", 443), _excepts("example.com:80", "example.com", 443)
    (True, False)
    """
    if not pattern or pattern == "*":
        return bool(pattern)
    if (network := _network(pattern)) is not None:
        address = _address(host)
        return address is not None and address in network
    name, wanted = _split_port(pattern)
    if wanted and wanted != str(port):
        return False
    if _address(name) is not None:
        return _address(name) == _address(host)
    name, host = name.removeprefix("*"), host.rstrip(".")
    return host.endswith(name if name.startswith(".") else f".{name}") or host == name


def _split_port(pattern: str) -> tuple[str, str]:
    if pattern.count(":") > 1 and not pattern.startswith("["):
        return pattern, ""  # an IPv6 address
    return host_name(pattern), pattern.rpartition(":")[2] if ":" in pattern.rpartition("]")[2] else ""


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text, strict=False) if "/" in text else None
    except ValueError:
        return None


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
