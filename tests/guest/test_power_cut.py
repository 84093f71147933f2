"""The power goes while containers are made, run, committed and removed: what was done is there afterwards.

What a cut loses is what the guest's kernel had not written yet. What it had written is on the medium, in
order: the machine's disk has no cache that could lose it.
"""

from __future__ import annotations

import os
import random
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.guest.machine import Machine, Root, archive, disk

pytestmark = [pytest.mark.guest, pytest.mark.root, pytest.mark.timeout(7200)]
CUTS = int(os.environ.get("CUTS", "6"))
SEED = int(os.environ.get("SEED", "1"))
DISK_MIB = 1024
MOST_FACTS = 16
MOST_S = 3.0
"""An operation takes about that long there."""
FACT = re.compile(r"\w+:[\w-]+ is \w+")
ORDERS = """
mkdir -p /data && mount /dev/vdc /data || exit 2
if [ -e /data/home ]; then python3 -m tests.guest.inside.look /data/home facts || exit 1; fi
if [ {seed} != 0 ]; then python3 -m tests.guest.inside.work /data/home {seed}; fi
"""


def test_what_was_done_is_there_after_a_power_cut(root: Root, tmp_path: Path) -> None:
    data = disk(tmp_path / "data.ext4", DISK_MIB)
    draw = random.Random(SEED)
    facts: list[str] = []
    for number in range(CUTS):
        code = archive(
            tmp_path / "code.tar", ORDERS.format(seed=f"{SEED}{number:03}"), {"facts": "\n".join(facts)}
        )
        with Machine(root, code, data) as machine:
            said = list(_until_cut(machine, draw.randint(0, MOST_FACTS), MOST_S * draw.random()))
        facts = list(filter(FACT.fullmatch, said))
        assert machine.exit_code is None, "\n".join(said[-80:])
        print(f"cut {number} after {len(facts)} facts: {said[-1]}", *_told(said), sep="\n")
    code = archive(tmp_path / "code.tar", ORDERS.format(seed=0), {"facts": "\n".join(facts)})
    with Machine(root, code, data) as machine:
        said = list(machine.lines())
    print(*_told(said), sep="\n")
    assert machine.exit_code == 0, "\n".join(said[-80:])


def _until_cut(machine: Machine, facts: int, pause_s: float) -> Iterator[str]:
    """Yield what a machine prints until it has stated so many facts, and for a moment more."""
    working = False
    for line in machine.lines():
        yield line
        working = working or line.startswith("works")
        facts -= bool(FACT.fullmatch(line))
        if working and facts <= 0:
            break
    time.sleep(pause_s)  # the moment of the cut is anywhere in the next operation
    machine.cut()
    yield from machine.lines()


def _told(said: list[str]) -> list[str]:
    return [line for line in said if line.startswith(("check: ", "lost: "))]
