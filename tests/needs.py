"""What a test needs of the machine: without it the test is skipped by name, in CI it fails."""

from __future__ import annotations

import os
from collections.abc import Collection

import pytest

__all__ = ["require_packages"]


def require_packages(absent: Collection[str]) -> None:
    """Skip the test that needs packages which are absent."""
    if absent and os.environ.get("CI") == "true":
        pytest.fail(f"CI lacks the system package {', '.join(absent)}")
    if absent:
        pytest.skip(f"needs the system package {', '.join(absent)}")
