"""Packages of Debian and what stems from it: `var/lib/dpkg/status`, and `status.d/` of images without dpkg.

Source: dpkg-query(1), deb822(5); Debian's machine-readable debian/copyright, version 1.0.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from containerlab.build.sbom.fields import paragraphs
from containerlab.build.sbom.package import Package, System

__all__ = ["licence", "packages"]


def packages(content: bytes, system: System) -> Iterator[Package]:
    """Yield the installed packages of a status file."""
    for fields in paragraphs(content.decode("utf-8", "replace")):
        status = fields.get("status", "install ok installed").split()
        if "package" in fields and "version" in fields and status[-1:] == ["installed"]:
            yield Package(
                kind="deb",
                name=fields["package"],
                version=fields["version"],
                architecture=fields.get("architecture", ""),
                source=fields.get("source", "").partition(" ")[0],
                supplier=fields.get("maintainer", ""),
                homepage=fields.get("homepage", ""),
                namespace=system.id or "debian",
            )


def licence(content: bytes) -> str:
    """Return the licences that a copyright file names, joined by AND; nothing when it is only prose."""
    text = content.decode("utf-8", "replace")
    if "copyright-format" not in text[:1000]:
        return ""
    names = (fields.get("license", "").partition("\n")[0].strip() for fields in paragraphs(text))
    found = sorted({_spdx(name) for name in names if name})
    return " AND ".join(f"({each})" if " OR " in each and len(found) > 1 else each for each in found)


def _spdx(name: str) -> str:
    """Write Debian's names of licences as SPDX does, as far as they are known."""
    words = re.split(r" (and/or|and|or) ", " ".join(name.replace(",", "").split()))
    said = [_JOINED[word] if word in _JOINED else _ONE.get(word.lower(), _family(word)) for word in words]
    return " ".join(said)


_JOINED = {"and": "AND", "or": "OR", "and/or": "OR"}
_ONE = {
    "apache-2": "Apache-2.0",
    "artistic": "Artistic-1.0",
    "artistic-2": "Artistic-2.0",
    "bsd-2-clause": "BSD-2-Clause",
    "bsd-3-clause": "BSD-3-Clause",
    "expat": "MIT",
    "isc": "ISC",
    "psf": "PSF-2.0",
    "zlib": "Zlib",
}


def _family(word: str) -> str:
    """`LGPL-2.1+` is `LGPL-2.1-or-later`."""
    match = re.fullmatch(r"(A?GPL|LGPL|GFDL)-(\d)(?:\.(\d))?(\+?)", word)
    if match is None:
        return word
    return f"{match[1]}-{match[2]}.{match[3] or '0'}-{'or-later' if match[4] else 'only'}"
