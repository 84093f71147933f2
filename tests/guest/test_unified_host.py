"""The suite's tests of cgroups, of the engine and of ordinary users, in a guest with cgroup v2 alone."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from containerlab.engine.engine import Engine
from tests.guest import guest

pytestmark = [pytest.mark.guest, pytest.mark.root, pytest.mark.timeout(2 * 3600)]
SUITES = {
    "cgroups": ["tests/linux/cgroups"],
    "root": ["tests/backends/test_unified.py", "tests/backends/test_limits.py"],
    "users": ["tests/backends/test_delegated.py"],
    "rootless": [
        "tests/backends/test_joining.py",
        "tests/backends/test_volumes.py",
        "tests/backends/test_health.py",
    ],
    "snapshots": ["tests/store/test_snapshots.py", "tests/store/test_trees.py"],
    "life": ["tests/backends/test_embedded_life.py"],
}


@pytest.mark.parametrize("name", SUITES)
def test_suite_passes(engine: Engine, name: str) -> None:
    done = guest.run(engine, SUITES[name], guest.show)
    assert done.exit_code == 0, done.output[-20_000:]
    assert " passed" in done.output


def test_another_kernel_runs_there(engine: Engine) -> None:
    release = engine.machines.run(guest.IMAGE, ["uname", "-r"], rm=True).stdout.strip()
    assert release
    assert release not in Path("/proc/version").read_text()
    print(f"guest kernel {release}", file=sys.stderr)
