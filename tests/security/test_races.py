"""Containers that exchange directories and links, or look and reach into processes, while others start."""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from containerlab.engine.containers import Containers
from containerlab.errors import LabError
from containerlab.runtime import rootfs
from tests.containers import IMAGE, until
from tests.security.host_python import VOLUMES, python

pytestmark = [pytest.mark.root, pytest.mark.system("busybox-static"), pytest.mark.slow]

STARTS = 48
MOUNTS: tuple[dict[str, list[str] | dict[str, str] | str], ...] = (
    {"volume": ["/etc/hostname:/shared/place/deep/file"]},
    {"volume": ["other:/shared/place/new/directory"]},
    {"tmpfs": {"/shared/place/deep": ""}},
    {"workdir": "/shared/place/new"},
)
EXCHANGE = """
import ctypes, os, sys
os.chdir("/shared")
os.makedirs("place/deep", exist_ok=True)
os.symlink(sys.argv[1], "link")
exchange = ctypes.CDLL(None).renameat2
print("ready", flush=True)
while True:
    exchange(-100, b"place", -100, b"link", 2)  # RENAME_EXCHANGE
"""


@pytest.fixture
def canary(base: Path) -> Iterator[Path]:
    """Yield a directory of the host, and see that it is as it was at the end."""
    directory = base / "canary"
    (directory / "deep").mkdir(parents=True, exist_ok=True)
    (directory / "file").write_text("as it was")
    before = _tree(directory)
    yield directory
    assert _tree(directory) == before
    assert str(directory) not in Path("/proc/self/mountinfo").read_text()


def _tree(directory: Path) -> list[tuple[str, int, int]]:
    return sorted(
        (str(path), status.st_mode, status.st_mtime_ns)
        for path in (directory, *directory.rglob("*"))
        for status in (path.lstat(),)
    )


def _exchange(containers: Containers, volume: str, target: str) -> None:
    containers.start(IMAGE, python(EXCHANGE, target), name="racer", volume=[volume, *VOLUMES])
    until(lambda: "ready" in containers.logs("racer").stdout)


@pytest.mark.parametrize("way", ["{canary}", "../../../../../../../../..{canary}"])
def test_2021_30465_2024_45310_a_target_that_is_exchanged_lies_inside(
    containers: Containers, canary: Path, tmp_path: Path, way: str
) -> None:
    """Neither is a mount put there, nor a directory or file made for it."""
    shared = f"{tmp_path}:/shared"
    _exchange(containers, shared, way.format(canary=canary))
    seen = []
    for mount in MOUNTS * (STARTS // 2 // len(MOUNTS)):
        options = {**mount, "volume": [shared, *mount.get("volume", ())]}
        with contextlib.suppress(LabError):
            ran = containers.run(IMAGE, ["cat", "/proc/self/mountinfo"], rm=True, **options)
            seen.append(ran.stdout)
    assert seen
    # Nothing of the canary was mounted in the container either.
    assert all(str(canary) not in line.split()[3] for text in seen for line in text.splitlines())


LOOK = """
import ctypes, os, re
libc = ctypes.CDLL(None)
libc.ptrace.argtypes = [ctypes.c_long] * 4
RIGHTS = re.compile("CapPrm|CapEff|CapBnd|Seccomp:").match
SEIZE, ANY = 0x4206, 0x40000000  # PTRACE_SEIZE, __WALL

def attempt(what, action):
    try:
        found = action()
        for each in [found] if isinstance(found, str) else found:
            print(what, each, flush=True)
    except (OSError, IndexError):
        pass

def command(pid):
    return open(f"/proc/{pid}/cmdline").read().split(chr(0))[0] or [][0]

def trace(pid):
    return command(pid) if libc.ptrace(SEIZE, pid, 0, 0) == 0 else [][0]

def memory(pid):
    os.close(os.open(f"/proc/{pid}/mem", os.O_RDWR))
    return command(pid)

def reap():
    while os.waitpid(-1, os.WNOHANG | ANY)[0]:  # or nobody else would hear of its end
        pass

print("ready", flush=True)
while True:
    for pid in [int(name) for name in os.listdir("/proc") if name.isdigit() and name != "1"]:
        attempt("traced", lambda: trace(pid))
        attempt("fd", lambda: (os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")))
        attempt("status", lambda: filter(RIGHTS, open(f"/proc/{pid}/status").read().splitlines()))
        attempt("exe", lambda: os.readlink(f"/proc/{pid}/exe"))
        attempt("mem", lambda: memory(pid))
        try:
            reap()
        except ChildProcessError:
            pass
"""


def test_2016_9962_who_joins_is_neither_traced_nor_looked_into(containers: Containers) -> None:
    # What it finds is the program that was to be run, and the pipes that it was given.
    assert _strange(containers, r"exe /bin/busybox|(traced|mem) /bin/true|fd (/dev/null|pipe:.*)") == []


def test_2016_9962_who_may_trace_everybody_takes_over_nothing(containers: Containers) -> None:
    """No right of the host's, no directory from which `..` leads up: the channel, and what is executed."""
    python = re.escape(sys.executable)
    allowed = rf"exe (/bin/busybox|/)|(traced|mem) (/bin/true|{python})|fd (/dev/null|pipe:.*|socket:.*)"
    assert _strange(containers, allowed, cap_add=["SYS_PTRACE"]) == []


def _strange(containers: Containers, allowed: str, **options: object) -> list[str]:
    """Return what was found beside what is allowed by a container that looks while others join."""
    target = containers.start(IMAGE, python(LOOK), name="target", volume=VOLUMES, **options)
    until(lambda: "ready" in containers.logs("target").stdout)
    for _ in range(40):
        containers.exec("target", ["/bin/true"])
    for _ in range(20 if rootfs.mounts_any_proc() else 0):
        containers.run(IMAGE, ["/bin/true"], rm=True, pid="container:target", **options)
    status = Path(f"/proc/{target.info.pid}/status").read_text().splitlines()
    own = [f"status {line}" for line in status if re.match("CapPrm|CapEff|CapBnd|Seccomp:", line)]
    known = "|".join(["ready", allowed, *own])
    found = set(containers.logs("target").stdout.splitlines())
    return sorted(line for line in found if not re.fullmatch(known, line))
