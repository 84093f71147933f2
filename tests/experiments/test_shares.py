"""Groups of equal weight: made, counted, removed, also after a kill."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from containerlab.experiments.shares import PREFIX, SHARES, Shares, is_stale, remove
from containerlab.linux.cgroups import control
from tests.containers import until

pytestmark = [pytest.mark.root, pytest.mark.timeout(120)]


def _directories(name: str) -> list[Path]:
    return [*Path("/sys/fs/cgroup").glob(name), *Path("/sys/fs/cgroup").glob(f"*/{name}")]


def test_groups_have_the_same_weight_and_go_away() -> None:
    shares = Shares()
    try:
        one, other = shares.group("one"), shares.group("other")
        assert one is not None
        assert other is not None
        assert one.paths != other.paths
        for plan in (one, other):
            directory = Path(dict(plan.directories)["cpu"])
            written = [directory / "cpu.shares", directory / "cpu.weight"]
            values = [file.read_text().strip() for file in written if file.exists()]
            assert values[0] in (str(SHARES), "39")  # 1024 shares on the scale of v2
        path = shares.path
    finally:
        shares.close()
    assert not _directories(path)


def test_a_group_stays_when_its_neighbours_go() -> None:
    shares = Shares()
    try:
        remove(shares.group("one"))
        assert _directories(shares.path)
    finally:
        shares.close()


def test_processor_time_of_all_in_the_groups_is_counted_after_they_are_gone() -> None:
    shares = Shares()
    try:
        before = shares.used()
        group = shares.group("busy")
        assert group is not None
        with subprocess.Popen([sys.executable, "-c", "input(); sum(range(3_000_000))"], stdin=-1) as busy:
            control.enter(group, busy.pid)
            busy.communicate(b"\n")
        remove(group)
        after = shares.used()
        assert after.cpu_usec - before.cpu_usec > 10_000
        assert (after.waited_usec or 0) >= (before.waited_usec or 0)
    finally:
        shares.close()


def test_what_a_killed_comparison_left_is_removed_by_the_next() -> None:
    program = "import os, signal; from containerlab.experiments.shares import Shares; print(Shares().path)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    left = done.stdout.strip()
    assert _directories(left)
    Shares().close()
    assert not _directories(left)


def test_names_tell_who_made_them() -> None:
    assert not is_stale(f"{PREFIX}{os.getpid()}-1")
    assert not is_stale("somebody else's")
    with subprocess.Popen(["/bin/true"]) as ended:
        pass
    until(lambda: is_stale(f"{PREFIX}{ended.pid}-1"))
