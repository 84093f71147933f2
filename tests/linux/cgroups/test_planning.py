"""What is planned, as a pure function of resources and of what a host offers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from containerlab.linux.cgroups.hierarchy import Hierarchy
from containerlab.linux.cgroups.layout import Place
from containerlab.linux.cgroups.plan import Plan
from containerlab.linux.cgroups.resources import Current, DeviceRule, Rate, Resources
from containerlab.linux.cgroups.v1 import V1
from containerlab.linux.cgroups.v2 import V2, io_weight, weight

MIB = 1 << 20
CONTROLLERS = ("cpuset", "cpu", "cpuacct", "memory", "devices", "pids", "io", "hugetlb", "freezer")
ON_V1 = Hierarchy((V1(tuple((name, f"/cg/{name}") for name in CONTROLLERS), cpus="0-3", mems="0"),))
ON_V2 = Hierarchy((V2("/cg", ("cpuset", "cpu", "io", "memory", "hugetlb", "pids"), ("cpu", "memory")),))
COMOUNTED = Hierarchy(
    (V1((("cpu", "/cg/cpu,cpuacct"), ("cpuacct", "/cg/cpu,cpuacct"), ("memory", "/cg/memory"))),)
)


def written(plan: Plan) -> list[tuple[str, str]]:
    return [(write.file, write.value) for write in plan.writes if write.file != "cgroup.subtree_control"]


def values(host: Hierarchy, current: Current = Current(), **fields: object) -> list[tuple[str, str]]:  # noqa: B008
    return written(host.group("lab/x").plan(Resources(**fields), current))  # type: ignore[arg-type]


def test_v1_memory_limit_comes_before_the_limit_with_swap_in_a_new_group() -> None:
    found = values(ON_V1, memory_bytes=64 * MIB, memory_swap_bytes=128 * MIB)
    assert found == [
        ("memory.limit_in_bytes", str(64 * MIB)),
        ("memory.memsw.limit_in_bytes", str(128 * MIB)),
    ]


@pytest.mark.parametrize(
    ("old", "first"), [(64, "memory.memsw.limit_in_bytes"), (512, "memory.limit_in_bytes")]
)
def test_v1_raises_the_outer_memory_limit_first_and_lowers_it_last(old: int, first: str) -> None:
    current = Current(old * MIB, old * MIB)
    found = values(ON_V1, current, memory_bytes=128 * MIB, memory_swap_bytes=128 * MIB)
    assert found[0][0] == first


def test_v1_unlimited_is_the_largest_limit() -> None:
    found = values(ON_V1, Current(MIB, MIB), memory_bytes=-1, memory_swap_bytes=-1)
    assert found == [("memory.memsw.limit_in_bytes", "-1"), ("memory.limit_in_bytes", "-1")]
    assert values(ON_V1, Current(MIB, -1), memory_swap_bytes=2 * MIB) == [
        ("memory.memsw.limit_in_bytes", str(2 * MIB))
    ]


def test_v1_cpu_period_comes_before_quota() -> None:
    found = values(ON_V1, cpu_quota_usec=50000, cpu_period_usec=200000, cpu_shares=512, cpu_burst_usec=1000)
    assert found == [
        ("cpu.shares", "512"),
        ("cpu.cfs_period_us", "200000"),
        ("cpu.cfs_quota_us", "50000"),
        ("cpu.cfs_burst_us", "1000"),
    ]


def test_v1_cpuset_is_filled_from_above_before_anything_can_attach() -> None:
    plan = ON_V1.group("lab/x").plan(Resources(cpuset_cpus="1"))
    found = [(write.path, write.file, write.value) for write in plan.writes]
    assert found == [
        ("/cg/cpuset/lab", "cpuset.cpus", "0-3"),
        ("/cg/cpuset/lab", "cpuset.mems", "0"),
        ("/cg/cpuset/lab/x", "cpuset.cpus", "0-3"),
        ("/cg/cpuset/lab/x", "cpuset.mems", "0"),
        ("/cg/cpuset/lab/x", "cpuset.cpus", "1"),
    ]


def test_v1_cpuset_and_hugetlb_take_part_only_when_asked() -> None:
    assert {"cpuset", "hugetlb"}.isdisjoint(dict(ON_V1.group("x").plan(Resources()).directories))


def test_v1_devices_are_denied_then_allowed_in_order() -> None:
    rules = (DeviceRule(False), DeviceRule(True, "c", 1, 3, "rwm"), DeviceRule(True, "b", 8, None, "r"))
    assert values(ON_V1, devices=rules) == [
        ("devices.deny", "a"),
        ("devices.allow", "c 1:3 rwm"),
        ("devices.allow", "b 8:* r"),
    ]


def test_v1_io_limits_and_either_weight() -> None:
    found = values(ON_V1, io_weight=300, read_bps=(Rate(8, 0, MIB),), write_iops=(Rate(8, 0, 50),))
    assert found == [
        ("blkio.bfq.weight", "300"),
        ("blkio.weight", "300"),
        ("blkio.throttle.read_bps_device", f"8:0 {MIB}"),
        ("blkio.throttle.write_iops_device", "8:0 50"),
    ]


def test_v1_comounted_controllers_share_a_directory_that_is_entered_once() -> None:
    plan = COMOUNTED.group("lab/x").plan(Resources())
    assert dict(plan.directories)["cpu"] == dict(plan.directories)["cpuacct"]
    assert plan.attach == ("/cg/cpu,cpuacct/lab/x/tasks", "/cg/memory/lab/x/tasks")
    assert plan.parents == ("/cg/cpu,cpuacct/lab", "/cg/memory/lab")


def test_v1_unified_files_are_said_to_be_impossible() -> None:
    plan = ON_V1.group("x").plan(Resources(unified=(("memory.high", "1"),)))
    assert plan.notices == ("no memory.high: no cgroup v2 hierarchy can be used here",)


def test_v2_hands_only_missing_controllers_down_and_all_of_them_further() -> None:
    plan = ON_V2.group("lab/x").plan(Resources(pids_max=9))
    found = [(write.path, write.value) for write in plan.writes if write.file == "cgroup.subtree_control"]
    assert found == [("/cg", "+pids +io"), ("/cg/lab", "+cpu +memory +pids +io")]


def test_v2_swap_is_what_exceeds_memory_and_comes_first() -> None:
    found = values(ON_V2, memory_bytes=64 * MIB, memory_swap_bytes=96 * MIB, memory_reservation_bytes=MIB)
    assert found == [
        ("memory.swap.max", str(32 * MIB)),
        ("memory.max", str(64 * MIB)),
        ("memory.low", str(MIB)),
    ]


@pytest.mark.parametrize(
    ("memory", "swap", "current", "value"),
    [
        (MIB, -1, Current(), "max"),
        (MIB, MIB, Current(), "0"),
        (None, 3 * MIB, Current(MIB, MIB), str(2 * MIB)),
    ],
)
def test_v2_swap_limit(memory: int | None, swap: int, current: Current, value: str) -> None:
    found = values(ON_V2, current, memory_bytes=memory, memory_swap_bytes=swap)
    assert found[0] == ("memory.swap.max", value)


def test_v2_cpu() -> None:
    found = values(ON_V2, cpu_quota_usec=50000, cpu_period_usec=100000, cpu_shares=1024)
    assert found == [("cpu.weight", "100"), ("cpu.max", "50000 100000")]
    assert values(ON_V2, cpu_quota_usec=-1) == [("cpu.max", "max")]
    assert values(ON_V2, cpu_quota_usec=5000) == [("cpu.max", "5000")]


def test_v2_weights_keep_the_ends_and_the_default_and_their_order() -> None:
    assert [weight(shares) for shares in (2, 1024, 262144)] == [1, 100, 10000]
    weights = [weight(shares) for shares in range(2, 5000)]
    assert weights == sorted(weights)
    assert (io_weight(10), io_weight(1000)) == (1, 10000)


def test_v2_throttles_of_one_device_stand_in_one_line() -> None:
    rates = {"read_bps": (Rate(8, 0, MIB),), "write_iops": (Rate(8, 0, 20), Rate(8, 16, 0))}
    assert values(ON_V2, **rates) == [
        ("io.max", f"8:0 rbps={MIB} wiops=20"),
        ("io.max", "8:16 wiops=max"),
    ]


def test_v2_says_what_only_v1_could_do() -> None:
    resources = Resources(oom_kill_disable=True, memory_swappiness=10, cpu_rt_runtime_usec=1)
    assert len(ON_V2.group("x").plan(resources).notices) == 3


def test_v2_devices_become_a_program_and_hybrid_leaves_them_to_v1() -> None:
    rules = (DeviceRule(False), DeviceRule(True, "c", 1, 3))
    plan = ON_V2.group("x").plan(Resources(devices=rules))
    assert plan.program
    assert plan.notices == ()
    hybrid = Hierarchy((V1((("devices", "/cg/devices"),), alone=False), V2("/cg/unified", alone=False)))
    plan = hybrid.group("x").plan(Resources(devices=rules))
    assert plan.program == ""
    assert plan.attach == ("/cg/devices/x/tasks", "/cg/unified/x/cgroup.procs")


def test_hybrid_sends_each_limit_to_the_version_that_has_its_controller() -> None:
    old = V1((("memory", "/cg/memory"), ("freezer", "/cg/freezer")), alone=False)
    hybrid = Hierarchy((old, V2("/cg/unified", ("hugetlb",), alone=False)))
    plan = hybrid.group("lab/x").plan(Resources(memory_bytes=MIB, hugetlb=(("2MB", 0),), pids_max=1))
    assert [write.path for write in plan.writes] == [
        "/cg/memory/lab/x",
        "/cg/unified",
        "/cg/unified/lab",
        "/cg/unified/lab/x",
    ]
    assert plan.notices == ("no pids limits: no mounted cgroup hierarchy has the pids controller",)
    assert "freezer" not in dict(plan.directories)


def test_nothing_delegated_is_one_sentence() -> None:
    refused = (("memory", "/sys/fs/cgroup/memory is not writable for uid 1000"),)
    plan = Hierarchy((V1((), refused),)).group("x").plan(Resources(memory_bytes=MIB, pids_max=3))
    assert plan.notices == (
        "no cgroup delegation: limits are off because /sys/fs/cgroup/memory is not writable for uid 1000",
    )
    assert plan.directories == ()


def test_no_cgroups_at_all() -> None:
    plan = Hierarchy().group("x").plan(Resources(memory_bytes=MIB))
    assert plan.notices == ("no cgroup delegation: limits are off because no cgroup hierarchy is mounted",)
    assert Hierarchy().kind == "none"


def test_a_plan_survives_json() -> None:
    rules = (DeviceRule(False), DeviceRule(True, "c", 1, 3))
    plan = ON_V2.group("lab/x").plan(Resources(memory_bytes=MIB, oom_kill_disable=True, devices=rules))
    assert Plan.restore(json.loads(json.dumps(plan))) == plan


def _tree(top: Path, *groups: tuple[str, str]) -> None:
    """Directories as of a v2 hierarchy: (path, processes)."""
    for path, processes in groups:
        directory = top / path
        directory.mkdir(exist_ok=True)
        (directory / "cgroup.procs").write_text(processes)
        (directory / "cgroup.subtree_control").write_text("memory pids" if path == "" else "")
        (directory / "cgroup.controllers").write_text("cpu memory pids")
        if path:
            (directory / "cgroup.type").write_text("domain")


def test_v2_true_root_may_hold_processes(tmp_path: Path) -> None:
    _tree(tmp_path, ("", "1\n2\n"), ("init", "3\n"))
    found = V2.of(Place(2, (), str(tmp_path), str(tmp_path / "init")), alone=True)
    assert (found.base, found.controllers, found.refused) == (str(tmp_path), ("cpu", "memory", "pids"), ())


def test_v2_delegated_group_without_processes_above_us_is_the_base(tmp_path: Path) -> None:
    _tree(tmp_path, ("", ""), ("app", ""), ("app/me", "7\n"))
    (tmp_path / "cgroup.type").write_text("domain")
    found = V2.of(Place(2, (), str(tmp_path), str(tmp_path / "app/me")), alone=True)
    assert found.base == str(tmp_path / "app")


def test_v2_group_that_holds_processes_cannot_hand_controllers_down(tmp_path: Path) -> None:
    _tree(tmp_path, ("", "7\n"))
    (tmp_path / "cgroup.type").write_text("domain")
    host = Hierarchy((V2.of(Place(2, (), str(tmp_path), str(tmp_path)), alone=True),))
    plan = host.group("lab/x").plan(Resources(cpu_shares=2, memory_bytes=MIB))
    assert plan.notices == (
        f"no cpu limits: {tmp_path} holds processes of its own, "
        "so the kernel does not let it hand controllers down",
    )
    assert ("memory.max", str(MIB)) in written(plan)


def test_v2_not_delegated(tmp_path: Path) -> None:
    found = V2.of(Place(2, (), str(tmp_path), str(tmp_path)), alone=True)
    assert found.base == ""
    plan = Hierarchy((found,)).group("x").plan(Resources(devices=(DeviceRule(False),)))
    assert plan.directories == ()
    assert len(plan.notices) == 1
