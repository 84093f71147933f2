"""Exec sessions end with their container, however it ends, and nothing of them stays; nor a mount."""

from __future__ import annotations

import os
import re
import shutil
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from containerlab.engine.containers import Containers
from containerlab.engine.engine import Engine
from tests import containers as small
from tests.containers import IMAGE, is_gone, monitor_of, until

pytestmark = [pytest.mark.root, pytest.mark.slow]

PACKAGE = Path(small.__file__).parent.parent / "containerlab"
_MANY = ["sh", "-c", "sleep 1001 & setsid sleep 1002 & echo up; exec sleep 1003"]


@pytest.fixture(
    scope="module",
    params=["overlay", pytest.param("fuse-overlayfs", marks=pytest.mark.system("fuse-overlayfs")), "copy"],
)
def containers(request: pytest.FixtureRequest, base: Path) -> Iterator[Containers]:
    """Yield the verbs of a home whose snapshots are of one kind."""
    home = base / f"sessions-{request.param}"
    small.import_image(home, IMAGE)
    with Engine(home) as engine:
        engine.containers.run(IMAGE, ["true"], rm=True)
        cache = home / "cache" / "snapshots-none"
        key, _, *_ = cache.read_text().split("\n")
        cache.write_text(f"{key}\n{request.param}")
        if request.param == "fuse-overlayfs" and not os.path.exists("/dev/fuse"):
            pytest.skip("there is no /dev/fuse here")
        yield engine.containers
    shutil.rmtree(home)


class _Session:
    """Somebody who waits for a program that runs beside the first process."""

    def __init__(self, containers: Containers, name: str) -> None:
        self.codes: list[int] = []
        self.output = b""
        self._thread = threading.Thread(target=self._run, args=(containers, name))
        self._thread.start()
        until(lambda: b"up\n" in self.output)

    def _run(self, containers: Containers, name: str) -> None:
        self.codes.append(containers.exec(name, _MANY, sink=self._take).exit_code)

    def _take(self, stream: str, chunk: bytes) -> None:
        self.output += chunk

    def code(self) -> int:
        self._thread.join(20)
        assert self.codes, "the session hangs"
        return self.codes[0]


@pytest.fixture(autouse=True)
def _cleared(containers: Containers) -> Iterator[None]:
    yield
    for container in containers.list(all=True):
        container.remove(force=True)


def _sleepers(pids: set[str]) -> list[str]:
    """Return what is left of the programs of a session, whoever adopted them."""
    left = []
    for pid in set(filter(str.isdigit, os.listdir("/proc"))) - pids:
        try:
            words = Path("/proc", pid, "cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if re.search(rb"sleep\x00100[0-3]", words) and not is_gone(int(pid)):
            left.append(f"{pid} {words!r}")
    return left


@pytest.mark.parametrize("pid", ["", "host"])
@pytest.mark.parametrize("victim", ["first process", "monitor", "both"])
def test_sessions_end_with_their_container(containers: Containers, pid: str, victim: str) -> None:
    before = set(os.listdir("/proc"))
    container = containers.start(IMAGE, ["sleep", "1000"], name="victim", **({"pid": pid} if pid else {}))
    first, monitor = container.info.pid, monitor_of(container.info.detail["directory"])
    cgroups = container.info.detail["cgroup"].values()
    sessions = [_Session(containers, "victim") for _ in range(2)]
    for doomed in {"first process": (first,), "monitor": (monitor,), "both": (monitor, first)}[victim]:
        os.kill(doomed, signal.SIGKILL)
    until(lambda: containers.info("victim").status in ("exited", "dead"))
    assert [session.code() for session in sessions] == [137, 137]
    until(lambda: not _sleepers(before))
    assert [path for path in cgroups if os.path.exists(path)] == []
    assert containers.info("victim").exit_code == 137
    containers.remove("victim")


def test_mounts_go_with_whoever_made_them(containers: Containers) -> None:
    """Also those that a privileged program has stacked; nobody has to take them away one by one."""
    before = Path("/proc/self/mountinfo").read_text()
    script = "mount -t tmpfs a /tmp && mkdir /tmp/b && mount -t tmpfs b /tmp/b && echo up && exec sleep 1000"
    container = containers.start(IMAGE, ["sh", "-c", script], name="victim", privileged=True)
    until(lambda: "up" in str(containers.logs("victim").stdout))
    os.kill(container.info.pid, signal.SIGKILL)
    assert containers.wait("victim") == 137
    containers.remove("victim")
    assert Path("/proc/self/mountinfo").read_text() == before


def test_what_is_unmounted_is_alone_in_a_mount_namespace() -> None:
    """Lazily only the old root, as pivot_root(2) says, what a program serves that shall end, and what has
    been cloned from: layers under a volatile directory, and secrets. A comparison's supervisor unmounts what
    it has mounted itself, for bundles of crun and runc."""
    calls = {
        str(path.relative_to(PACKAGE)): re.findall(r"syscalls\.umount2\((.*)\)", path.read_text())
        for path in PACKAGE.rglob("*.py")
        if "syscalls.umount2(" in path.read_text()
    }
    assert calls == {
        "experiments/subjects/supervisor.py": ["target"],
        "runtime/inside.py": ['view["root"], mounts.MNT_DETACH'],
        "runtime/rootfs.py": ["directory, mounts.MNT_DETACH", *['".", mounts.MNT_DETACH'] * 2],
        "runtime/trial.py": ['".", mounts.MNT_DETACH'],
        "store/snapshot_trial.py": ["root"],
    }
