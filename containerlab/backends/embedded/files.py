"""Reaching into containers' file systems, running or not."""

from __future__ import annotations

from containerlab.backends.embedded.ground import Ground

__all__ = ["FileVerbs"]


class FileVerbs(Ground):
    """Implements `base.FileAccess`."""
