"""Resource limits by the names of setrlimit(2)."""

from __future__ import annotations

import resource

__all__ = ["NUMBERS"]

NUMBERS = {name: getattr(resource, name) for name in dir(resource) if name.startswith("RLIMIT_")}
"""RLIMIT_NOFILE and the like → the number for setrlimit(2)."""
