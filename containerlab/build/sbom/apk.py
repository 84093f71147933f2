"""Packages of Alpine and what stems from it: `lib/apk/db/installed`.

Source: Alpine Wiki, "Apk spec", Installed Database V2.
"""

from __future__ import annotations

from collections.abc import Iterator

from containerlab.build.sbom.package import Package, System

__all__ = ["packages"]


def packages(content: bytes, system: System) -> Iterator[Package]:
    """Yield the installed packages; fields are single letters, of which those of files do not matter."""
    for paragraph in content.decode("utf-8", "replace").split("\n\n"):
        fields: dict[str, str] = {}
        for line in paragraph.splitlines():
            key, colon, value = line.partition(":")
            if colon and len(key) == 1:
                fields.setdefault(key, value)
        if "P" in fields and "V" in fields:
            origin = fields.get("o", "")
            yield Package(
                kind="apk",
                name=fields["P"],
                version=fields["V"],
                licence=fields.get("L", ""),
                architecture=fields.get("A", ""),
                source=origin if origin != fields["P"] else "",
                supplier=fields.get("m", ""),
                homepage=fields.get("U", ""),
                namespace=system.id or "alpine",
            )
