"""Packages of Python and of Node: `METADATA` of a distribution, `package.json` of a module.

Source: Python packaging specifications, "Recording installed projects" and "Core metadata"; npm
documentation, "package.json".
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from email.parser import HeaderParser
from typing import Any

from containerlab.build.sbom.package import Package, System

__all__ = ["npm", "python"]

_MOST_CHARACTERS = 100
"""What is longer is a licence's text, not its name."""


def python(content: bytes, system: System) -> Iterator[Package]:
    """Yield the distribution whose METADATA or PKG-INFO this is."""
    fields = HeaderParser().parsestr(content.decode("utf-8", "replace"))
    name, version = fields.get("Name"), fields.get("Version")
    if name and version:
        stated = str(fields.get("License-Expression") or fields.get("License") or "").strip()
        if not stated or stated == "UNKNOWN" or len(stated) > _MOST_CHARACTERS:
            stated = _classified(list(map(str, fields.get_all("Classifier") or ())))
        yield Package(
            kind="pypi",
            name=re.sub(r"[-_.]+", "-", str(name)).lower(),
            version=str(version),
            licence=_TROVE.get(stated, stated),
            supplier=str(fields.get("Author-email") or fields.get("Author") or ""),
            homepage=str(fields.get("Home-page") or ""),
        )


def _classified(classifiers: list[str]) -> str:
    """Return the licences of Trove classifiers, as `License :: OSI Approved :: MIT License`."""
    names = [each.rpartition(" :: ")[2] for each in classifiers if each.startswith("License :: ")]
    return " AND ".join(_TROVE.get(name, name) for name in names if name != "OSI Approved")


_TROVE = {
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "GNU General Public License v2 (GPLv2)": "GPL-2.0-only",
    "GNU General Public License v3 (GPLv3)": "GPL-3.0-only",
    "GNU General Public License v3 or later (GPLv3+)": "GPL-3.0-or-later",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "The Unlicense (Unlicense)": "Unlicense",
}


def npm(content: bytes, system: System) -> Iterator[Package]:
    """Yield the module whose package.json this is, if that names one."""
    try:
        fields = json.loads(content)
    except (ValueError, RecursionError):
        return
    if not isinstance(fields, dict):
        return
    name, version = fields.get("name"), fields.get("version")
    if isinstance(name, str) and isinstance(version, str) and name and version:
        scope, _, last = name.rpartition("/")
        yield Package(
            kind="npm",
            name=last,
            version=version,
            namespace=scope,
            licence=_stated(fields.get("license") or fields.get("licenses")),
            homepage=fields["homepage"] if isinstance(fields.get("homepage"), str) else "",
        )


def _stated(value: Any) -> str:
    """Read the field of today, and the two forms that it had before."""
    if isinstance(value, list):
        return " OR ".join(filter(None, map(_stated, value)))
    if isinstance(value, dict):
        return _stated(value.get("type"))
    return value if isinstance(value, str) and len(value) <= _MOST_CHARACTERS else ""
