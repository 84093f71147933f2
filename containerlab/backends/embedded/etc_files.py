"""/etc/hosts, /etc/hostname and /etc/resolv.conf as Docker gives them to containers."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from containerlab.linux.files import write_file
from containerlab.oci.runtime import Spec

__all__ = ["write"]

_LOCALHOST = """127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::0\tip6-localnet
ff00::0\tip6-mcastprefix
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
"""


def write(directory: Path, spec: Spec, options: Mapping[str, Any]) -> None:
    """Write the three files into a container's directory; they are mounted from there."""
    hostname = spec.hostname or os.uname().nodename
    uses_host_network = options.get("network") == "host"
    _put(directory / "hostname", f"{hostname}\n")
    _put(directory / "hosts", _hosts(hostname, options, uses_host_network))
    _put(directory / "resolv.conf", _resolv_conf(options))


def _put(path: Path, content: str) -> None:
    write_file(os.fspath(path), content.encode(), 0o644)


def _hosts(hostname: str, options: Mapping[str, Any], uses_host_network: bool) -> str:
    extra = "".join(f"{_address(address)}\t{name}\n" for name, address in options.get("add_host", ()))
    if uses_host_network:
        return _read("/etc/hosts") + extra
    domain = f"{hostname}.{options['domainname']} " if options.get("domainname") else ""
    return f"{_LOCALHOST}127.0.1.1\t{domain}{hostname}\n{extra}"


def _address(address: str) -> str:
    return "127.0.0.1" if address == "host-gateway" else address


def _resolv_conf(options: Mapping[str, Any]) -> str:
    """Take the host's, with what the options replace of it."""
    lines = _read("/etc/resolv.conf").splitlines()
    for option, keyword in (("dns", "nameserver"), ("dns_search", "search"), ("dns_option", "options")):
        if values := options.get(option):
            lines = [line for line in lines if not line.startswith(keyword)]
            joined = [" ".join(values)] if keyword != "nameserver" else values
            lines += [f"{keyword} {value}" for value in joined if value != "."]
    return "".join(f"{line}\n" for line in lines)


def _read(path: str) -> str:
    try:
        with open(path) as file:
            return file.read()
    except (OSError, UnicodeDecodeError):
        return ""
