"""The engines and runtimes that ours is measured against, each with a store of its own."""

from __future__ import annotations

import json
import os
import re
import select
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

from tests.dockerd import remove_cgroups

__all__ = [
    "IMAGE",
    "Absent",
    "Engine",
    "Runtime",
    "bubblewrap",
    "command",
    "docker",
    "podman",
    "runtime",
    "version",
]

IMAGE = "bench"
_BUNDLE_LIMITS = {
    "memory": {"limit": 64 << 20},
    "cpu": {"quota": 50_000, "period": 100_000},
    "pids": {"limit": 50},
}
_PODMAN_RUN = ("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024", "--stop-timeout", "0")
"""Its default limits are above what a machine without CAP_SYS_RESOURCE gives; `rm --force` is not to wait."""
_CLIENT = "/usr/bin/docker" if os.access("/usr/bin/docker", os.X_OK) else "docker"
"""The one that came with the daemon: a newer one has no builder of its own."""
_numbers = count()


class Absent(Exception):
    """A peer cannot take part; the text says why and what would help."""


class Engine(NamedTuple):
    """docker or podman; argv: the program with the options that lead to its store here.

    run_options: what `run` needs to work here.
    """

    name: str
    argv: tuple[str, ...]
    version: str
    run_options: tuple[str, ...] = ()

    def call(self, *words: str) -> str:
        """Run one command and return what it printed."""
        return command(*self.argv, *words)

    def run(self, *words: str) -> str:
        """Run a container without a network."""
        return self.call("run", "--network", "none", *self.run_options, *words)


class Runtime(NamedTuple):
    """crun, runc or bwrap: argv runs /bin/true once; `{id}` in it becomes a new name."""

    name: str
    argv: tuple[str, ...]
    version: str

    def words(self) -> list[str]:
        """Return the command line of one run."""
        name = f"conlab-bench-{os.getpid()}-{next(_numbers)}"
        return [word.replace("{id}", name) for word in self.argv]

    def run(self) -> None:
        """Run /bin/true."""
        command(*self.words())


def command(*words: str, **options: Any) -> str:
    """Run a program and return its output; keywords as subprocess.run's.

    Raises: Absent with its last words when it fails.
    """
    # A file, for conmon keeps a pipe open as long as a detached container lives.
    with tempfile.TemporaryFile("w+") as output:
        done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=output, stderr=output, **options)
        output.seek(0)
        text = output.read().strip()
    if done.returncode:
        raise Absent(f"`{' '.join(words)}` failed: {text[-300:]}")
    return text


def version(program: str, package: str) -> str:
    """Return the version that a program tells.

    Raises: Absent when it is not installed.
    """
    if shutil.which(program) is None:
        raise Absent(f"not installed (package {package})")
    found = re.search(r"\d+(\.\d+)+\S*", command(program, "--version"))
    return found[0].rstrip(",") if found else "unknown"


def runtime(name: str, directory: Path, root: Path) -> Runtime:
    """Return crun or runc with a bare bundle: no image, no log, its own specification, three limits."""
    found = version(name, name)
    bundle = directory / name
    bundle.mkdir()
    (bundle / "config.json").write_text(json.dumps(_specification(name, directory, root)))
    made = Runtime(
        name, (name, "--root", f"{directory}/{name}-state", "run", "-b", str(bundle), "{id}"), found
    )
    _try(made)
    return made


def _specification(name: str, directory: Path, root: Path) -> dict[str, Any]:
    scratch = directory / f"{name}-spec"
    scratch.mkdir()
    subprocess.run([name, "spec"], cwd=scratch, check=True)
    spec: dict[str, Any] = json.loads((scratch / "config.json").read_text())
    spec["process"].update(terminal=False, args=["/bin/true"])
    spec["root"] = {"path": str(root), "readonly": False}
    spec["linux"]["resources"] = {**spec["linux"].get("resources", {}), **_BUNDLE_LIMITS}
    return spec


def _try(made: Runtime) -> None:
    try:
        made.run()
    except Absent as failure:
        if "cgroup" not in str(failure) or os.path.ismount("/sys/fs/cgroup/hugetlb"):
            raise
        help_text = "mkdir /sys/fs/cgroup/hugetlb && mount -t cgroup -o hugetlb cgroup /sys/fs/cgroup/hugetlb"
        raise Absent(f"it refuses this machine's cgroups; this may help, by hand: {help_text}") from failure


def bubblewrap(root: Path) -> Runtime:
    """Return bubblewrap: namespaces only, no cgroup, no capabilities, no seccomp."""
    found = version("bwrap", "bubblewrap")
    words = (
        "bwrap",
        "--unshare-all",
        "--bind",
        str(root),
        "/",
        "--proc",
        "/proc",
        "--dev",
        "/dev",
        "/bin/true",
    )
    return Runtime("bwrap", words, found)


@contextmanager
def podman(directory: Path, archive: Path) -> Iterator[Engine]:
    """Yield podman with an image of a root file system."""
    found = version("podman", "podman")
    places = ("--root", f"{directory}/podman", "--runroot", f"{directory}/podman-run")
    argv = ("podman", *places, "--storage-driver", "overlay", "--cgroup-manager", "cgroupfs")
    made = Engine("podman", (*argv, "--events-backend", "none"), found, _PODMAN_RUN)
    try:
        made.call("import", "--quiet", str(archive), IMAGE)
        made.run("--rm", IMAGE, "/bin/true")
        yield made
    finally:
        _remove_all(made)


@contextmanager
def docker(directory: Path, archive: Path) -> Iterator[Engine]:
    """Run a Docker daemon of our own while it is needed."""
    found = version("dockerd", "docker.io")
    version(_CLIENT, "docker.io")
    socket = f"unix://{directory}/docker.sock"
    places = ["--data-root", f"{directory}/docker", "--exec-root", f"{directory}/docker-run"]
    places += ["--pidfile", f"{directory}/docker.pid", "-H", socket, "--storage-driver", "overlay2"]
    places += ["--cgroup-parent", f"containerlab-{directory.name}"]
    with (directory / "dockerd.log").open("wb") as log:
        words = ["dockerd", "--bridge=none", "--iptables=false", *places]
        daemon = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    try:
        made = Engine("docker", (_CLIENT, "-H", socket), found)
        _wait_until_it_answers(made, daemon, directory / "dockerd.log")
        made.call("import", str(archive), IMAGE)
        made.run("--rm", IMAGE, "/bin/true")
        try:
            yield made
        finally:
            _remove_all(made)
    finally:
        daemon.terminate()
        daemon.wait()
        remove_cgroups(f"containerlab-{directory.name}")


def _remove_all(engine: Engine) -> None:
    """Remove what an interrupted measurement left running."""
    if containers := engine.call("ps", "--all", "--quiet").split():
        engine.call("rm", "--force", *containers)


def _wait_until_it_answers(engine: Engine, daemon: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(300):
        try:
            engine.call("version")
            return
        except Absent:
            select.select([], [], [], 0.1)
        if daemon.poll() is not None:
            break
    raise Absent(f"dockerd does not answer: {log.read_text(errors='replace').strip()[-300:]}")
