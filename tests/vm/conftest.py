"""Machines to test with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from containerlab.vm.kernel.kernel import Kernel
    from tests.vm.machines import Bench


@pytest.fixture(scope="module")
def bench(
    base: Path, guest_kernel: Kernel, request: pytest.FixtureRequest, _no_leaks: None
) -> Iterator[Bench]:
    """Yield what small machines are made of."""
    from tests.vm import machines

    place = base / request.module.__name__.rpartition(".")[2]
    place.mkdir()
    yield from machines.opened(place, guest_kernel)
