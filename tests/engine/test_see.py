"""What is shown of a container is what the kernel says of its process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from containerlab.engine.cgroup_files import limits
from containerlab.engine.container import Container
from containerlab.engine.engine import Engine
from containerlab.errors import Conflict
from tests import busybox

pytestmark = [pytest.mark.root, pytest.mark.system("busybox-static"), pytest.mark.slow]


@pytest.fixture(scope="module")
def engine(base: Path) -> Iterator[Engine]:
    found = busybox.engine(base / "see")
    yield found
    found.close()


@pytest.fixture(scope="module")
def seen(engine: Engine) -> Iterator[Container]:
    options = {"memory": "64m", "cpus": 0.5, "cap_drop": ["CHOWN"]}
    with engine.containers.start(busybox.NAME, ["sleep", "1000"], name="seen", **options) as container:
        yield container


def test_capabilities_are_those_of_the_process(engine: Engine, seen: Container) -> None:
    held = {row.name: row for row in engine.see.caps("seen")}
    status = Path(f"/proc/{seen.pid}/status").read_text()
    effective = int(status.partition("CapEff:")[2].split()[0], 16)
    assert sum(row.effective for row in held.values()) == effective.bit_count()
    assert not held["CHOWN"].effective
    assert held["CHOWN"].is_dockers
    assert held["KILL"].effective


def test_limits_are_those_in_force_and_said_in_words(engine: Engine, seen: Container) -> None:
    table = engine.see.cgroup("seen")
    assert {row.means for row in table} >= {"64 MiB", "0.5 of a core", "1 process"}
    assert all(seen.id in row.directory for row in table), "groups of the host are not its limits"
    assert ["memory.limit_in_bytes", "67108864", "64", "MiB"] in [
        line.split() for line in table.to_text().splitlines()
    ]


def test_namespaces_are_marked_where_they_are_shared(engine: Engine, seen: Container) -> None:
    rows = {row.kind: row.ids for row in engine.see.ns("seen")}
    assert rows["uts"]["host"] == os.stat("/proc/self/ns/uts").st_ino != rows["uts"]["seen"]
    lines = engine.see.ns("seen").to_text().splitlines()
    assert [line.split()[0] for line in lines if f"={rows['user']['host']}" in line] == ["user"]


def test_what_does_not_run_has_nothing_to_see(engine: Engine) -> None:
    with (
        engine.containers.create(busybox.NAME, ["true"], name="idle"),
        pytest.raises(Conflict, match="start"),
    ):
        engine.see.caps("idle")


@pytest.mark.parametrize(
    ("file", "content", "means"),
    [
        ("memory.max", "max", "no limit"),
        ("memory.limit_in_bytes", "9223372036854771712", "no limit"),
        ("cpu.max", "150000 100000", "1.5 cores"),
        ("cpu.max", "max 100000", "no limit"),
        ("pids.max", "50", ""),
        ("cgroup.procs", "1\n2\n", "2 processes"),
        ("cgroup.freeze", "1", "frozen"),
        ("cpuacct.usage", "1500000000", "1.5 s"),
    ],
)
def test_files_are_read_as_the_kernel_writes_them(
    tmp_path: Path, file: str, content: str, means: str
) -> None:
    (tmp_path / file).write_text(content)
    assert [(limit.file, limit.means) for limit in limits(str(tmp_path))] == [(file, means)]
