"""The root of all machines, and what they are told to do."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests import system_packages
from tests.vm import machine
from tests.vm.machine import Root

LIST = Path(__file__).parent / "system-packages.txt"


@pytest.fixture(scope="session")
def root() -> Root:
    """Return what machines start from; it takes a few minutes to make, once."""
    absent = system_packages.missing(LIST)
    if absent and os.environ.get("CI") == "true":
        pytest.fail(f"CI lacks the system package {', '.join(absent)}")
    if absent:
        pytest.skip(f"needs the system package {', '.join(absent)}")
    return machine.root()
