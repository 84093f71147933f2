"""What this program calls itself in documents."""

from __future__ import annotations

import functools
from importlib import metadata

__all__ = ["NAME", "version"]

NAME = "containerlab"


@functools.cache
def version() -> str:
    """Return the version of this package, nothing when it runs without having been installed."""
    try:
        return metadata.version(NAME)
    except metadata.PackageNotFoundError:
        return ""
