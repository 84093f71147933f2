"""The root of all machines, and what they are told to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import system_packages
from tests.guest import machine
from tests.guest.machine import Root
from tests.needs import require_packages

LIST = Path(__file__).parent / "system-packages.txt"


@pytest.fixture(scope="session")
def root() -> Root:
    """Return what machines start from; it takes a few minutes to make, once."""
    require_packages(system_packages.missing(LIST))
    return machine.root()
