"""The image that a list of packages is about."""

from __future__ import annotations

import uuid

import msgspec

from containerlab.oci.platform import Platform

__all__ = ["Subject"]


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """An image for one platform."""

    name: str
    digest: str
    """Of its manifest."""
    platform: Platform
    created_s: float
    """When the list is made, in seconds since the epoch."""

    @property
    def uuid(self) -> uuid.UUID:
        """Return an id that is the same for the same image."""
        return uuid.uuid5(uuid.NAMESPACE_URL, f"{self.name}@{self.digest}")
