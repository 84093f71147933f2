"""Containers of ordinary users where cgroup v2 is alone: with a subtree of their own, and without.

A subtree is handed over as systemd does it for user@UID.service: the directory and three of its files change
owner, controllers are handed down to it, and the user's processes are in a group below.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from containerlab.linux.cgroups import hierarchy
from tests import busybox
from tests.containers import until
from tests.users import User

pytestmark = [
    *(pytest.mark.root, pytest.mark.system("busybox-static"), pytest.mark.slow),
    pytest.mark.skipif(hierarchy.detect().kind != "v2", reason="cgroup v2 is not the only hierarchy here"),
]
TOP = Path("/sys/fs/cgroup")
HANDED_DOWN = "+cpu +memory +pids"
OWNED = (".", "cgroup.procs", "cgroup.subtree_control", "cgroup.threads")


class Desk(NamedTuple):
    """Somebody's place in the cgroup hierarchy: a service, and a session below it where commands run."""

    user: User
    service: Path
    session: Path

    def conlab(self, *words: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run `conlab WORDS…` in the session."""
        become = ["setpriv", f"--reuid={self.user.uid}", f"--regid={self.user.gid}", "--clear-groups"]
        script = f'echo $$ > {self.session}/cgroup.procs; exec "$@"'
        command = ["sh", "-c", script, "sh", *become, self.user.python, "-m", "containerlab", *words]
        options = {"capture_output": True, "text": True, "timeout": 300, **options}
        return subprocess.run(command, cwd=self.user.home, env=self.user.environment, **options)

    def told(self, *words: str) -> str:
        """Run a command that must work and say nothing on the side; return what it prints."""
        done = self.conlab(*words)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        return done.stdout.strip()

    def group(self, name: str) -> Path:
        """Return the cgroup of a container."""
        (document,) = json.loads(self.told("inspect", name))
        return Path(next(_values(document, "unified")))


def _values(document: Any, key: str) -> Iterator[str]:
    if isinstance(document, dict):
        for name, value in document.items():
            if name == key and isinstance(value, str):
                yield value
            yield from _values(value, key)


@pytest.fixture
def place() -> Iterator[Callable[..., Path]]:
    """Make groups below a slice of the test's own, each owned by whoever is named; remove them at the end."""
    top = TOP / f"conlab-test-{os.getpid()}.slice"
    top.mkdir()
    for above in (TOP, top):
        (above / "cgroup.subtree_control").write_text(HANDED_DOWN)

    def make(name: str, owner: User | None) -> Path:
        group = top / name
        group.mkdir()
        for file in OWNED if owner else ():
            os.chown(group / file, owner.uid, owner.gid)
        return group

    yield make
    for left in sorted(top.rglob("*/"), reverse=True):
        until(lambda left=left: not (left / "cgroup.procs").read_text())
        left.rmdir()
    top.rmdir()


@pytest.fixture
def desk(ordinary_user: User, place: Callable[..., Path]) -> Iterator[Desk]:
    """Yield a delegated place; an image is there, and containers are removed at the end."""
    service = place(f"user@{ordinary_user.uid}.service", ordinary_user)
    (service / "cgroup.subtree_control").write_text(HANDED_DOWN)
    session = place(f"user@{ordinary_user.uid}.service/session.scope", ordinary_user)
    yield from _ready(Desk(ordinary_user, service, session))


def _ready(desk: Desk) -> Iterator[Desk]:
    archive = desk.user.home / "busy.tar"
    archive.write_bytes(busybox.root_file_system())
    archive.chmod(0o644)
    desk.told("import", str(archive), busybox.NAME)
    yield desk
    for name in desk.told("ps", "-aq").split():
        desk.told("rm", "-f", name)


def test_limits_are_in_force_and_go_with_the_container(desk: Desk) -> None:
    limits = (
        "--memory",
        "64m",
        "--memory-swap",
        "96m",
        "--cpus",
        "0.5",
        "--pids-limit",
        "20",
        "--cpu-shares",
        "512",
    )
    desk.told("run", "-d", "--name", "limited", *limits, busybox.NAME, "sleep", "1000")
    group = desk.group("limited")
    assert group.is_relative_to(desk.service)
    found = {
        file: (group / file).read_text().strip()
        for file in ("memory.max", "memory.swap.max", "cpu.max", "pids.max")
    }
    assert found == {
        "memory.max": str(64 << 20),
        "memory.swap.max": str(32 << 20),
        "cpu.max": "50000 100000",
        "pids.max": "20",
    }
    desk.told("update", "--memory", "48m", "--memory-swap", "48m", "--pids-limit", "9", "limited")
    assert [(group / file).read_text().strip() for file in ("memory.max", "memory.swap.max", "pids.max")] == [
        str(48 << 20), "0", "9",
    ]  # fmt: skip
    desk.told("pause", "limited")
    assert "frozen 1" in (group / "cgroup.events").read_text()
    desk.told("unpause", "limited")
    assert desk.told("exec", "limited", "cat", "/proc/self/cgroup") == "0::/"
    assert "48MiB" in desk.told("stats", "--no-stream", "--format", "{{.MemUsage}}", "limited").replace(
        " ", ""
    )
    desk.told("rm", "-f", "limited")
    assert not group.exists()
    assert {child.name for child in desk.service.iterdir() if child.is_dir()} == {"session.scope"}


def test_too_much_memory_is_killed_and_noticed(desk: Desk) -> None:
    words = ("--memory", "24m", "--memory-swap", "24m", busybox.NAME, "busybox", "tail", "/dev/zero")
    assert desk.conlab("run", "--name", "hog", *words).returncode == 137
    assert desk.told("inspect", "-f", "{{.State.OOMKilled}}", "hog") == "true"


def test_throttling_is_counted(desk: Desk) -> None:
    desk.told(
        "run", "-d", "--name", "slow", "--cpus", "0.05", busybox.NAME, "sh", "-c", "while :; do :; done"
    )
    counters = desk.group("slow") / "cpu.stat"
    until(lambda: int(dict(map(str.split, counters.read_text().splitlines()))["nr_throttled"]) > 0)


def test_doctor_tells_what_was_delegated(desk: Desk) -> None:
    rows = [json.loads(line) for line in desk.told("doctor", "--format", "json").splitlines()]
    available = {row["Name"] for row in rows if row["Available"] == "yes"}
    assert {f"cgroup {name}" for name in ("memory", "cpu", "pids", "freezer", "kill at once")} <= available
    assert "cgroup io throttling" not in available


def test_without_delegation_containers_run_without_limits_and_that_is_said(
    ordinary_user: User, place: Callable[..., Path]
) -> None:
    service = place(f"user@{ordinary_user.uid}.service", ordinary_user)
    for desk in _ready(Desk(ordinary_user, service, place("login.scope", None))):
        done = desk.conlab("run", "-d", "--name", "free", "--memory", "64m", busybox.NAME, "sleep", "1000")
        assert done.returncode == 0
        (line,) = done.stderr.splitlines()
        assert "no cgroup delegation: limits are off because" in line
        assert f"is not delegated to uid {ordinary_user.uid}" in line
        done = desk.conlab("pause", "free")
        assert done.returncode == 1
        assert "has no cgroup" in done.stderr
        assert desk.told("exec", "free", "echo", "on") == "on"
        assert desk.told("inspect", "-f", "{{.State.Status}}", "free") == "running"
        desk.told("stats", "--no-stream", "free")


def test_a_delegated_group_that_holds_processes_itself_hands_nothing_down(
    ordinary_user: User, place: Callable[..., Path]
) -> None:
    """As with `systemd-run --scope -p Delegate=yes`: nothing above the group of the command is the user's."""
    scope = place("run.scope", ordinary_user)
    for desk in _ready(Desk(ordinary_user, scope, scope)):
        done = desk.conlab("run", "-d", "--name", "free", "--memory", "64m", busybox.NAME, "sleep", "1000")
        assert done.returncode == 0
        assert f"{scope} holds processes of its own" in done.stderr
        group = desk.group("free")
        assert group.is_relative_to(scope)
        desk.told("pause", "free")
        assert "frozen 1" in (group / "cgroup.events").read_text()
        desk.told("rm", "-f", "free")
        assert not group.exists()
