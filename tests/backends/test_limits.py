"""Every limit of `run` and `update` is in force: asked for, translated, and found in the kernel's files."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest

from containerlab.backends.embedded import repair
from containerlab.engine.containers import Containers
from containerlab.engine.engine import Engine
from containerlab.errors import InvalidInput
from containerlab.linux.cgroups.v2 import weight
from containerlab.options.huge_pages import sizes
from tests.containers import IMAGE

FOREVER = ["sleep", "1000"]
MIB = 1 << 20
LIMITS: list[tuple[dict[str, Any], dict[str, str], dict[str, str]]] = [
    ({"memory": "64m"}, {"memory.limit_in_bytes": str(64 * MIB)}, {"memory.max": str(64 * MIB)}),
    (
        {"memory": "64m", "memory_swap": "96m"},
        {"memory.memsw.limit_in_bytes": str(96 * MIB)},
        {"memory.swap.max": str(32 * MIB)},
    ),
    (
        {"memory_reservation": "32m"},
        {"memory.soft_limit_in_bytes": str(32 * MIB)},
        {"memory.low": str(32 * MIB)},
    ),
    ({"memory_swappiness": 30}, {"memory.swappiness": "30"}, {}),
    ({"memory": "64m", "oom_kill_disable": True}, {"memory.oom_control": "oom_kill_disable 1"}, {}),
    (
        {"cpus": 0.5},
        {"cpu.cfs_quota_us": "50000", "cpu.cfs_period_us": "100000"},
        {"cpu.max": "50000 100000"},
    ),
    (
        {"cpu_period": 20000, "cpu_quota": 10000},
        {"cpu.cfs_quota_us": "10000", "cpu.cfs_period_us": "20000"},
        {"cpu.max": "10000 20000"},
    ),
    ({"cpu_shares": 512}, {"cpu.shares": "512"}, {"cpu.weight": str(weight(512))}),
    (
        {"cpu_rt_runtime": 1000, "cpu_rt_period": 100000},
        {"cpu.rt_runtime_us": "1000", "cpu.rt_period_us": "100000"},
        {},
    ),
    ({"cpuset_cpus": "0"}, {"cpuset.cpus": "0"}, {"cpuset.cpus": "0"}),
    ({"cpuset_mems": "0"}, {"cpuset.mems": "0"}, {"cpuset.mems": "0"}),
    ({"pids_limit": 50}, {"pids.max": "50"}, {"pids.max": "50"}),
    ({"pids_limit": -1}, {"pids.max": "max"}, {"pids.max": "max"}),
    ({"blkio_weight": 300}, {"blkio.bfq.weight": "300"}, {"io.bfq.weight": "default 300"}),
]


def _block_device() -> tuple[str, str] | None:
    """Return a whole disk, as its path and as the kernel writes it."""
    for disk in sorted(Path("/sys/block").iterdir()):
        path = f"/dev/{disk.name}"
        if (
            disk.name[:4] not in ("loop", "zram")
            and os.path.exists(path)
            and stat.S_ISBLK(os.stat(path).st_mode)
        ):
            return path, (disk / "dev").read_text().strip()
    return None


def _in_force(containers: Containers, name: str) -> dict[str, str]:
    """Return all files of the container's own cgroup directories."""
    directories = set(containers.info(name).detail["cgroup"].values())
    found = {}
    for directory in directories:
        for file in Path(directory).iterdir():
            if file.is_file() and file.stat().st_mode & stat.S_IRUSR and "." in file.name:
                try:
                    found[file.name] = " ".join(file.read_text().split())
                except OSError:
                    continue
    return found


def _expected(in_force: dict[str, str], v1: dict[str, Any], v2: dict[str, Any]) -> dict[str, Any]:
    """Choose by the file that is there: a hybrid host has some controllers in each version."""
    found = {file: value for file, value in {**v1, **v2}.items() if file in in_force}
    if not found:
        pytest.skip(f"this host has neither of {[*v1, *v2]}")
    return found


@pytest.mark.parametrize(("options", "v1", "v2"), LIMITS, ids=lambda each: "-".join(each))
def test_limit_is_in_force(
    containers: Containers, options: dict[str, Any], v1: dict[str, str], v2: dict[str, str]
) -> None:
    info = containers.start(IMAGE, FOREVER, name="limited", **options).info
    in_force = _in_force(containers, "limited")
    for file, value in _expected(in_force, v1, v2).items():
        assert in_force[file].startswith(value), file
        assert file in {write["file"] for write in info.detail["limits"]}


@pytest.mark.parametrize(
    ("option", "file", "key"),
    [
        ("device_read_bps", "blkio.throttle.read_bps_device", "rbps"),
        ("device_write_bps", "blkio.throttle.write_bps_device", "wbps"),
        ("device_read_iops", "blkio.throttle.read_iops_device", "riops"),
        ("device_write_iops", "blkio.throttle.write_iops_device", "wiops"),
    ],
)
def test_rate_of_a_device_is_in_force(containers: Containers, option: str, file: str, key: str) -> None:
    device = _block_device()
    if device is None:
        pytest.skip("no block device here")
    path, numbers = device
    containers.start(IMAGE, FOREVER, name="slow", **{option: f"{path}:1048576"})  # type: ignore[arg-type]
    in_force = _in_force(containers, "slow")
    if file in in_force:
        assert in_force[file] == f"{numbers} 1048576"
    else:
        assert in_force["io.max"].startswith(numbers)
        assert f"{key}=1048576" in in_force["io.max"]


def test_weight_of_a_device_is_in_force_or_its_refusal_is_said(containers: Containers) -> None:
    device = _block_device()
    if device is None:
        pytest.skip("no block device here")
    path, numbers = device
    info = containers.start(IMAGE, FOREVER, name="light", blkio_weight_device=[f"{path}:200"]).info
    taken = [write for write in info.detail["limits"] if "weight" in write["file"]]
    told = [notice for notice in info.notices if f"no block I/O weight of {numbers}:" in notice]
    assert len(taken) + len(told) == 1
    for write in taken:
        assert f"{numbers} 200" in Path(write["path"], write["file"]).read_text()
    assert containers.run(IMAGE, ["true"], blkio_weight_device=[f"{path}:200"]).notices == tuple(told)


def test_huge_pages_are_limited_and_limits_change(containers: Containers) -> None:
    pages = sizes()
    if not pages:
        pytest.skip("this kernel has no huge pages")
    containers.start(IMAGE, FOREVER, name="huge", hugetlb=[f"{pages[0]}=2g"])
    files = [f"hugetlb.{pages[0]}.{name}" for name in ("max", "limit_in_bytes")]
    found = _in_force(containers, "huge")
    if not found.keys() & set(files):
        pytest.skip("this host has no hugetlb controller")
    (file,) = found.keys() & set(files)
    assert found[file] == str(2 << 30)
    containers.update("huge", hugetlb=[f"{pages[0]}=1g"])
    assert _in_force(containers, "huge")[file] == str(1 << 30)


def test_every_limit_can_be_updated_at_once(containers: Containers) -> None:
    containers.start(IMAGE, FOREVER, name="changing", memory="64m", cpus=0.5)
    containers.update(
        "changing", memory="128m", memory_swap="256m", memory_reservation="16m", cpus=0.25, cpu_shares=100,
        pids_limit=7, cpuset_cpus="0", cpuset_mems="0", blkio_weight=200,
    )  # fmt: skip
    in_force = _in_force(containers, "changing")
    wanted_v1 = {
        "memory.limit_in_bytes": 128 * MIB, "memory.memsw.limit_in_bytes": 256 * MIB, "pids.max": 7,
        "memory.soft_limit_in_bytes": 16 * MIB, "cpu.cfs_quota_us": 25000, "cpu.shares": 100,
        "cpuset.cpus": 0, "blkio.bfq.weight": 200,
    }  # fmt: skip
    wanted_v2 = {"memory.max": 128 * MIB, "memory.low": 16 * MIB, "cpu.max": "25000 100000", "pids.max": 7}
    for file, value in _expected(in_force, wanted_v1, wanted_v2).items():
        assert in_force[file] == str(value), file


def test_a_cgroup_that_update_added_goes_with_the_container(engine: Engine, containers: Containers) -> None:
    containers.start(IMAGE, FOREVER, name="moved", memory="64m")
    containers.update("moved", cpuset_cpus="0")
    directories = set(containers.info("moved").detail["cgroup"].values())
    assert all(map(os.path.isdir, directories))
    group = repair.cgroup_of(engine.backend.records, containers.get("moved").id)
    assert group
    assert {os.path.dirname(path) for path in group.paths} <= set(group.parents)
    containers.kill("moved")
    containers.wait("moved")
    assert not any(map(os.path.exists, directories))


def test_cgroup_shows_what_was_asked_for(engine: Engine, containers: Containers) -> None:
    containers.start(IMAGE, FOREVER, name="seen", memory="64m", pids_limit=9)
    rows = {row.file: row.means or row.value for row in engine.see.cgroup("seen")}
    assert rows["pids.max"] == "9"
    assert "64 MiB" in (rows.get("memory.limit_in_bytes"), rows.get("memory.max"))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"cpus": 4096}, "out of range"),
        ({"cpus": 0.001}, "out of range"),
        ({"cpuset_cpus": "0-99999999999"}, "has not all"),
        ({"cpuset_mems": "77"}, "has not all"),
        ({"cpu_period": 100}, "out of range"),
        ({"cpu_quota": 500}, "too little"),
        ({"cpus": 1, "cpu_quota": 5000}, "say the same"),
        ({"blkio_weight": 5}, "out of range"),
        ({"blkio_weight_device": ["/dev/null:5"]}, "out of range"),
        ({"memory": "8m", "memory_reservation": "16m"}, "more than --memory"),
        ({"hugetlb": ["3m=1g"]}, "no huge pages of that size"),
    ],
)
def test_limit_that_cannot_be_is_refused_before_anything_is_made(
    containers: Containers, options: dict[str, Any], told: str
) -> None:
    with pytest.raises(InvalidInput, match=told):
        containers.create(IMAGE, **options)
    assert len(containers.list(all=True)) == 0
