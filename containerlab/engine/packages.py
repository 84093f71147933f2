"""The packages of an image: a table, and documents that other tools read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from containerlab.backends import base, optional
from containerlab.build.sbom.catalogue import Catalogue
from containerlab.build.sbom.package import Package
from containerlab.build.sbom.subject import Subject
from containerlab.engine import columns
from containerlab.errors import Unsupported
from containerlab.views import html
from containerlab.views.table import Table

__all__ = ["Packages", "packages"]


class Packages(Table[Package]):
    """Packages that are in an image, by kind and name; `notices` say what was not read."""

    def __init__(self, subject: Subject, found: Catalogue, document: str = "") -> None:
        super().__init__(found.packages, columns.PACKAGES)
        self._subject, self._found, self._document = subject, found, document
        self.notices = found.notices

    def document(self, name: str = "spdx-json") -> bytes:
        """Return the list as SPDX 2.3 (`spdx-json`) or CycloneDX 1.6 (`cyclonedx-json`).

        Raises: Unsupported without the extra `sbom`.
        """
        from containerlab.build.sbom import cyclonedx, spdx

        write = cyclonedx.document if name == "cyclonedx-json" else spdx.document
        return write(self._found, self._subject)

    def to_text(self, full: bool = False) -> str:
        """Return the table, or the document that was asked for."""
        if self._document:
            return self.document(self._document).decode()
        listed = super().to_text(full) if len(self) else f"{self._subject.name}: no packages found"
        return "\n".join([listed, *(f"note: {notice}" for notice in self.notices)])

    def to_html(self) -> str:
        if self._document:
            return html.pre(self.to_text())
        return super().to_html() + "".join(html.line(html.text(notice)) for notice in self.notices)


def packages(backend: base.Backend, name: str, options: Mapping[str, Any]) -> Packages:
    """List the packages of an image, as the options say.

    Raises: Unsupported when the backend cannot; NotFound; CorruptContent.
    """
    if not isinstance(backend, optional.Cataloguing):
        raise Unsupported(
            f"the {backend.name} backend cannot list packages", "save the image, and load it here"
        )
    return Packages(*backend.packages_of_image(name, options.get("platform")), options.get("format", ""))
