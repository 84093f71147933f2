"""Containers of root on a host whose only cgroup hierarchy is version 2; `make test-guest` makes one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from containerlab.engine.containers import Containers
from containerlab.engine.engine import Engine
from containerlab.linux.cgroups import hierarchy
from tests.containers import IMAGE, until
from tests.users import User, myself

pytestmark = [
    *(pytest.mark.root, pytest.mark.system("busybox-static"), pytest.mark.slow),
    pytest.mark.skipif(hierarchy.detect().kind != "v2", reason="cgroup v2 is not the only hierarchy here"),
]
TOP = Path("/sys/fs/cgroup")
FOREVER = ["sleep", "1000"]
SPIN = ["sh", "-c", "while :; do :; done"]
MANAGER = """
mkdir /sys/fs/cgroup/init /sys/fs/cgroup/service
echo 1 > /sys/fs/cgroup/init/cgroup.procs
echo "+memory +pids" > /sys/fs/cgroup/cgroup.subtree_control
sleep 1000 & echo $! > /sys/fs/cgroup/service/cgroup.procs
echo ready
wait
"""
"""What a service manager does in a container: after that its own cgroup may hold no process."""
Session = Callable[..., subprocess.CompletedProcess[str]]


def directory(containers: Containers, name: str) -> Path:
    return Path(containers.info(name).detail["cgroup"]["unified"])


def events(group: Path, file: str) -> dict[str, int]:
    lines = (line.split() for line in (group / file).read_text().splitlines())
    return {key: int(value) for key, value in lines}


def test_every_controller_leads_to_one_directory_that_goes_with_the_container(containers: Containers) -> None:
    made = containers.start(IMAGE, FOREVER, memory="64m")
    group = directory(containers, made.id)
    assert set(made.info.detail["cgroup"].values()) == {str(group)}
    assert {"cpu", "memory", "pids", "io"} <= set((group / "cgroup.controllers").read_text().split())
    assert str(made.pid) in (group / "cgroup.procs").read_text().split()
    made.remove(force=True)
    assert not group.exists()
    assert not group.parent.exists()


def test_too_much_memory_is_killed_and_noticed(containers: Containers) -> None:
    result = containers.run(IMAGE, ["tail", "/dev/zero"], memory="32m", memory_swap="32m", name="hog")
    assert result.exit_code == 137
    assert result.oom_killed
    assert containers.inspect("hog")[0]["State"]["OOMKilled"]
    assert 16 << 20 < (result.peak_memory_bytes or 0) <= 32 << 20


def test_throttling_is_counted(containers: Containers) -> None:
    made = containers.start(IMAGE, SPIN, cpus=0.05)
    seen = until(lambda: (sample := made.stats()).throttled_periods and sample)
    assert seen.cpu_limit_cores == 0.05
    assert seen.cpu_throttled_s
    assert seen.cpu_s


def test_everything_is_counted(containers: Containers) -> None:
    script = "dd if=/dev/zero of=/file bs=64k count=16 2>/dev/null; sync; echo ok; sleep 1000"
    made = containers.start(IMAGE, ["sh", "-c", script], memory="64m", pids_limit=9)
    until(lambda: "ok" in made.logs().stdout)
    sample = made.stats()
    assert (sample.source, sample.memory_limit_bytes, sample.pids_limit) == ("cgroup", 64 << 20, 9)
    assert sample.pids in (1, 2)
    assert (sample.memory_bytes or 0) > 1 << 20
    assert (sample.memory_cache_bytes or 0) >= 1 << 20
    assert (sample.memory_peak_bytes or 0) >= (sample.memory_bytes or 0)
    assert (sample.io_write_bytes or 0) >= 1 << 20
    assert sample.oom_kills == 0
    assert None not in (sample.pressure_cpu, sample.pressure_memory, sample.pressure_io, sample.swap_bytes)


def test_pause_freezes_the_group_and_unpause_lets_it_go_on(containers: Containers) -> None:
    made = containers.start(IMAGE, SPIN)
    group = directory(containers, made.id)
    containers.pause(made.id)
    assert (events(group, "cgroup.events")["frozen"], made.reload().status) == (1, "paused")
    used = made.stats().cpu_s
    assert made.stats().cpu_s == used
    containers.unpause(made.id)
    assert (events(group, "cgroup.events")["frozen"], made.reload().status) == (0, "running")
    until(lambda: (made.stats().cpu_s or 0) > (used or 0))


def test_what_is_paused_can_be_killed_and_removed(containers: Containers) -> None:
    for end in (containers.kill, lambda name: containers.remove(name, force=True)):
        made = containers.start(IMAGE, SPIN)
        group = directory(containers, made.id)
        containers.pause(made.id)
        assert events(group, "cgroup.events")["frozen"] == 1
        end(made.id)
        until(lambda group=group: not group.exists())


def test_a_container_sees_its_own_cgroup_as_the_root_and_cannot_write_there(containers: Containers) -> None:
    script = """
cat /proc/self/cgroup /sys/fs/cgroup/memory.max
mkdir /sys/fs/cgroup/x
echo 1 > /sys/fs/cgroup/cgroup.freeze
"""
    result = containers.run(IMAGE, ["sh", "-c", script], memory="64m", rm=True)
    assert result.stdout == f"0::/\n{64 << 20}\n"
    assert result.stderr.count("Read-only file system") == 2
    result = containers.run(IMAGE, ["cat", "/proc/self/cgroup"], cgroupns="host", rm=True)
    assert result.stdout.startswith("0::/containerlab/")


@pytest.mark.parametrize(
    ("options", "code", "told"),
    [({}, 1, "not permitted"), ({"device": ["/dev/vda:/disk:r"]}, 0, ""), ({"privileged": True}, 0, "")],
    ids=["usual", "given", "privileged"],
)
def test_devices_are_filtered(
    containers: Containers, options: dict[str, object], code: int, told: str
) -> None:
    number = Path("/dev/vda").stat().st_rdev if Path("/dev/vda").exists() else None
    if number is None:
        pytest.skip("no /dev/vda here")
    script = f"mknod /node b {os.major(number)} {os.minor(number)} && head -c 1 /node >/dev/null"
    result = containers.run(IMAGE, ["sh", "-c", script], rm=True, **options)  # type: ignore[arg-type]
    assert (result.exit_code, told in result.stderr) == (code, True), result.stderr
    assert result.notices == ()


def test_an_exec_enters_the_group(containers: Containers) -> None:
    made = containers.start(IMAGE, FOREVER, memory="64m")
    assert made.exec(["cat", "/proc/self/cgroup"]).stdout == "0::/\n"
    assert made.exec(["tail", "/dev/zero"]).exit_code == 137
    assert made.stats().oom_kills == 1


def test_a_service_manager_inside_hinders_no_verb(containers: Containers) -> None:
    made = containers.start(IMAGE, ["sh", "-c", MANAGER], privileged=True, memory="64m")
    group = directory(containers, made.id)
    until(lambda: "ready" in made.logs().stdout)
    assert not (group / "cgroup.procs").read_text()
    assert made.exec(["cat", "/proc/self/cgroup"]).stdout == "0::/init\n"
    assert len(made.top().rows) == 2
    made.update(memory="48m")
    assert (group / "memory.max").read_text() == f"{48 << 20}\n"
    containers.pause(made.id)
    assert events(group / "service", "cgroup.events")["frozen"] == 1
    containers.unpause(made.id)
    made.restart(timeout=0)
    until(lambda: made.logs().stdout.count("ready") == 2)
    made.remove(force=True)
    assert not group.exists()


def test_doctor_and_info_tell_of_it(engine: Engine) -> None:
    assert engine.system.info()["cgroup"] == "v2"
    lacking = {each.name for each in engine.system.doctor() if not each.available}
    wanted = {
        "memory",
        "swap accounting",
        "cpu",
        "pids",
        "io throttling",
        "devices",
        "freezer",
        "kill at once",
    }
    assert not lacking & {f"cgroup {name}" for name in wanted}


@pytest.fixture
def session(base: Path) -> Iterator[Session]:
    """Run conlab from a cgroup of its own, as a login session or a service has one."""
    root: User = myself(base)
    group = TOP / f"conlab-test-{os.getpid()}-session"
    group.mkdir()

    def conlab(*words: str, home: Path, inside: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        enter = ("sh", "-c", f'echo $$ > {group}/cgroup.procs; exec "$@"', "sh")
        environment = {**root.environment, "CONTAINERLAB_HOME": str(home)}
        command = [*enter, *inside, sys.executable, "-m", "containerlab", *words]
        return subprocess.run(command, capture_output=True, text=True, cwd=root.home, env=environment)

    yield conlab
    until(lambda: not (group / "cgroup.procs").read_text())
    for left in sorted(group.rglob("*/"), reverse=True):
        left.rmdir()
    group.rmdir()


def test_root_limits_from_within_a_session_too(session: Session, engine: Engine) -> None:
    home = Path(engine.system.info()["home"])
    done = session("run", "--rm", "--memory", "64m", IMAGE, "cat", "/sys/fs/cgroup/memory.max", home=home)
    assert (done.stdout, done.stderr) == (f"{64 << 20}\n", "")


def test_in_a_cgroup_namespace_the_lack_of_limits_is_explained(session: Session, engine: Engine) -> None:
    """As in a container of another engine: what looks like the root is a group that holds processes."""
    home = Path(engine.system.info()["home"])
    script = 'umount /sys/fs/cgroup && mount -t cgroup2 own /sys/fs/cgroup && exec "$@"'
    inside = ("unshare", "-Cm", "sh", "-c", script, "sh")
    done = session("run", "--rm", "--memory", "64m", IMAGE, "echo", "on", home=home, inside=inside)
    assert done.stdout == "on\n", done.stderr
    assert "holds processes of its own" in done.stderr
