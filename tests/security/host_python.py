"""The host's Python inside of containers whose image has none, by read-only mounts."""

from __future__ import annotations

import os
import sys

__all__ = ["PROGRAM", "VOLUMES", "python"]

PROGRAM = os.path.realpath(sys.executable)
VOLUMES = [
    f"{place}:{place}:ro" for place in {"/usr", "/lib", "/lib64", sys.base_prefix} if os.path.exists(place)
]


def python(source: str, *arguments: str) -> list[str]:
    """Return the command that runs a source in a container with `VOLUMES`."""
    return [PROGRAM, "-I", "-S", "-c", source, *arguments]
