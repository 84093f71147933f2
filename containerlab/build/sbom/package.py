"""A package that is in an image, and the system that it is in."""

from __future__ import annotations

import msgspec

__all__ = ["Package", "System"]


class System(msgspec.Struct, frozen=True, kw_only=True):
    """The distribution, as os-release says it."""

    id: str = ""
    version: str = ""
    name: str = ""

    @property
    def distro(self) -> str:
        """Return what package URLs call it: debian-12."""
        return "-".join(filter(None, (self.id, self.version)))


class Package(msgspec.Struct, frozen=True, kw_only=True):
    """A package as who installed it noted it down."""

    kind: str
    """deb, apk, rpm, pypi or npm: the type of its package URL."""
    name: str
    version: str
    licence: str = ""
    """As the package says it, which need not be how SPDX says it."""
    architecture: str = ""
    source: str = ""
    """Name of the source package where that is another."""
    supplier: str = ""
    homepage: str = ""
    namespace: str = ""
    epoch: str = ""
    path: str = ""
    """The file that tells of it, from the root."""
    layer: str = ""
    """Diff id of the layer that brought it."""
    purl: str = ""

    @property
    def full_name(self) -> str:
        """The name as its users write it: @scope/name of npm."""
        return f"{self.namespace}/{self.name}" if self.kind == "npm" and self.namespace else self.name
