"""Machines of several tiers take turns: one process forks all their monitors."""

from __future__ import annotations

from pathlib import Path

import pytest

from containerlab.experiments.subject import PROBE
from containerlab.experiments.subjects.machines import MachineGroups, Tiered
from containerlab.linux.cgroups import hierarchy
from tests import kernels
from tests.experiments.subjects.conftest import Stand

pytestmark = [
    *(pytest.mark.root, pytest.mark.slow, pytest.mark.timeout(240)),
    *(pytest.mark.system(package) for package in ("busybox-static", "qemu-system-x86")),
]
LIMIT_S = 120


def test_each_machine_runs_in_its_own_group_whoever_goes_first(stand: Stand) -> None:
    kernels.seed(Path(stand.engine.home))
    groups = MachineGroups(stand.shares)
    tiers = [Tiered(stand.engine, stand.image, groups, tier) for tier in ("resume", "microvm")]
    made = [tier.create([PROBE, "idle"]) for tier in (*tiers, *tiers)]
    try:
        for machine in made:
            machine.start()
        paths = [dict(hierarchy.of_process(machine.workload_pid()).directories)["cpu"] for machine in made]
        assert len(set(paths)) == len(made)
        for machine in made[1::2]:
            machine.delete()
        again = tiers[0].create([PROBE, "ready"])
        made.append(again)
        again.start()
        again.first_output_at(LIMIT_S)
    finally:
        for machine in made:
            machine.delete()
        for tier in tiers:
            tier.close()
