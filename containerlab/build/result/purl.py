"""Package URLs: one name for a package, whoever distributes it.

Source: package-url/purl-spec, PURL-SPECIFICATION.rst and PURL-TYPES.rst.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from containerlab.oci.platform import Platform
from containerlab.oci.reference import Reference

__all__ = ["of_image", "purl"]

_PLAIN = "-._~:"


def purl(
    kind: str, name: str, version: str = "", namespace: str = "", qualifiers: Mapping[str, str] = {}
) -> str:
    """Return the URL of a package; qualifiers that are empty are left out.

    >>> purl("deb", "g++", "1:2-3", "debian", {"arch": "amd64"})
    'pkg:deb/debian/g%2B%2B@1:2-3?arch=amd64'
    """
    above = "".join(f"{quote(part, safe=_PLAIN)}/" for part in namespace.split("/") if part)
    at = f"@{quote(version, safe=_PLAIN)}" if version else ""
    pairs = [f"{key}={quote(value, safe=_PLAIN + '/')}" for key, value in sorted(qualifiers.items()) if value]
    return f"pkg:{kind}/{above}{quote(name, safe=_PLAIN)}{at}" + ("?" + "&".join(pairs) if pairs else "")


def of_image(name: str, platform: Platform, digest: str = "") -> str:
    """Return the URL of an image as BuildKit writes it.

    >>> of_image("lab/app:1", Platform("amd64", "linux"))
    'pkg:docker/lab/app@1?platform=linux%2Famd64'
    """
    reference = Reference.parse(name)
    repository, _, tag = reference.familiar().partition("@")[0].rpartition(":")
    if not repository or "/" in tag:
        repository, tag = reference.familiar().partition("@")[0], ""
    above, _, last = repository.rpartition("/")
    qualifiers = {"digest": digest or reference.digest or "", "platform": str(platform)}
    pairs = "&".join(f"{key}={quote(value, safe=_PLAIN)}" for key, value in qualifiers.items() if value)
    return f"{purl('docker', last, tag, above)}?{pairs}"
