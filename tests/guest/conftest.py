"""What tests in guests start from; each takes a few minutes to make, once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from containerlab.engine.engine import Engine
from tests import system_packages
from tests.guest import guest, machine
from tests.guest.machine import Root
from tests.needs import require_packages

LIST = Path(__file__).parent / "system-packages.txt"


@pytest.fixture(scope="session")
def root() -> Root:
    """Return what machines start from whose power is cut."""
    require_packages(system_packages.missing(LIST))
    return machine.root()


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    """Yield an engine that has the image of the checkout."""
    require_packages(system_packages.missing(LIST))
    with guest.opened() as engine:
        yield engine
