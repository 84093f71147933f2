"""The suite's tests of cgroups and of the engine, on a machine whose only hierarchy is version 2."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.guest.inside.suite import orders
from tests.guest.machine import Machine, Root, archive

pytestmark = [pytest.mark.guest, pytest.mark.root, pytest.mark.timeout(3600)]
SUITES = {
    "cgroups": ["tests/linux/cgroups"],
    "root": ["tests/backends/test_unified.py", "tests/backends/test_limits.py"],
    "users": ["tests/backends/test_delegated.py"],
    "life": ["tests/backends/test_embedded_life.py"],
}


@pytest.mark.parametrize("name", SUITES)
def test_suite_passes(root: Root, tmp_path: Path, name: str) -> None:
    code = archive(tmp_path / "code.tar", orders(SUITES[name]))
    with Machine(root, code) as machine:
        said = list(machine.lines())
    assert machine.exit_code == 0, "\n".join(said[-200:])
    assert any(" passed" in line for line in said)
