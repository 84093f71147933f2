"""The verbs of volumes."""

from __future__ import annotations

from containerlab.backends.embedded.ground import Ground

__all__ = ["VolumeVerbs"]


class VolumeVerbs(Ground):
    """Implements `base.VolumeKeeper`."""
