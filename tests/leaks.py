"""What a test leaves on the machine: mounts, cgroups, processes, files, descriptors.

Others may work on the machine too. So a thing counts when it is certainly ours: it names the suite's
directory, or carries the mark that every process of the suite inherits. In CI nobody else is there, and
whatever is new counts.
"""

from __future__ import annotations

import contextlib
import gc
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

__all__ = ["TOKEN_VARIABLE", "Traces", "left_over", "look"]

TOKEN_VARIABLE = "CONTAINERLAB_TEST_RUN"
ALONE = os.environ.get("CI") == "true"
WATCHED = ("/var/lib/containerlab", "~/.local/share/containerlab", "/run/containerlab")
PATIENCE_S = 10
"""How long a monitor may take to clean up after the command that it worked for has returned."""


class Traces(NamedTuple):
    """What is on the machine now, each thing as a line that names it."""

    mounts: frozenset[str]
    cgroups: frozenset[str]
    processes: frozenset[str]
    files: frozenset[str]
    descriptors: frozenset[str]


def look(base: Path) -> Traces:
    """Return the traces that count for a run of the suite in `base`."""
    gc.collect()
    return Traces(
        frozenset(_mounts(base)),
        frozenset(_cgroups(base)),
        frozenset(_processes(base)),
        frozenset(_files()) if ALONE else frozenset(),
        frozenset(_descriptors(base)),
    )


def left_over(before: Traces, base: Path) -> list[str]:
    """Wait for what ends by itself, then return what is new since `before`, a line each."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        after = look(base)
        new = [f"  {kind}: {thing}" for kind, thing in _news(before, after)]
        if not new or time.monotonic() > deadline:
            return new
        time.sleep(0.05)


def _news(before: Traces, after: Traces) -> Iterator[tuple[str, str]]:
    for kind, old, new in zip(Traces._fields, before, after, strict=True):
        for thing in sorted(new - old):
            yield kind, thing


def _mounts(base: Path) -> Iterator[str]:
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        if ALONE or base.name in line:
            yield line


def _cgroups(base: Path) -> Iterator[str]:
    ours = {name.split()[0] for name in _processes(base)}
    for directory, _, _ in os.walk("/sys/fs/cgroup"):
        if "containerlab" in directory and (ALONE or ours & _members(directory)):
            yield directory


def _members(cgroup: str) -> set[str]:
    with contextlib.suppress(OSError):
        return set(Path(cgroup, "cgroup.procs").read_text().split())
    return set()


def _processes(base: Path) -> Iterator[str]:
    """Yield processes that carry our mark, or live in a mount namespace where our directory is mounted.

    The second finds containers: their environment is cleared. The launcher is ours for as long as we live.
    """
    token = f"{TOKEN_VARIABLE}={base.name}".encode()
    own_mounts = os.stat("/proc/self/ns/mnt").st_ino
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            process = Path("/proc", pid)
            elsewhere = (process / "ns" / "mnt").stat().st_ino != own_mounts
            marked = token in (process / "environ").read_bytes()
            if not marked and not (elsewhere and base.name in (process / "mountinfo").read_text()):
                continue
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if int(pid) != os.getpid() and not _is_launcher(process, command):
                yield f"{pid} {command}"


def _is_launcher(process: Path, command: str) -> bool:
    parent = (process / "stat").read_text().rpartition(")")[2].split()[1]
    return "launcher.py" in command and parent == str(os.getpid())


def _files() -> Iterator[str]:
    for place in WATCHED:
        for directory, directories, files in os.walk(Path(place).expanduser()):
            yield from (os.path.join(directory, name) for name in (*directories, *files))
    yield from (f"/tmp/{name}" for name in os.listdir("/tmp") if not name.startswith("pytest-of-"))


def _descriptors(base: Path) -> Iterator[str]:
    for fd in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            target = os.readlink(f"/proc/self/fd/{fd}")
            if base.name in target or target.startswith(("pipe:", "anon_inode:[pidfd]", "/sys/fs/cgroup")):
                yield f"{fd} → {target}"
