"""What all subjects are measured in: one image, our engine, and the peers that are there."""

from __future__ import annotations

import compileall
import os
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

import containerlab
from benchmarks import peers
from containerlab.engine.engine import Engine
from containerlab.options.container import RunOptions

__all__ = ["DISK", "IMAGE", "ISOLATED", "MEMORY", "QUICK", "RUN", "Arena", "Counts", "arena", "isolated"]

IMAGE = "bench/busybox"
DISK, MEMORY = "/var/tmp", "/dev/shm"
ISOLATED: RunOptions = {"network": "none", "memory": "64m", "cpus": 0.5, "pids_limit": 50}
RUN: RunOptions = {**ISOLATED, "rm": True}
_APPLETS = ("cat", "echo", "ls", "sh", "sleep", "true")
_Peer = TypeVar("_Peer")


def isolated(name: str) -> RunOptions:
    """Return the options of a container with a name."""
    return {**ISOLATED, "name": name}


class Counts(NamedTuple):
    """How often: quick and slow peers, unpacking, …, machines; how many containers start at once."""

    fast: int = 40
    slow: int = 30
    unpack: int = 3
    build: int = 3
    serve: int = 5
    machine: int = 15
    crowd: int = 200
    peer_crowd: int = 200


QUICK = Counts(fast=3, slow=1, unpack=1, build=1, serve=1, machine=1, crowd=8, peer_crowd=2)


class Arena(NamedTuple):
    """engines: docker and podman; runtimes: crun, runc, bwrap; absent: name → why a peer is not there."""

    directory: Path
    engine: Engine
    engines: dict[str, peers.Engine]
    runtimes: dict[str, peers.Runtime]
    absent: dict[str, str]
    counts: Counts
    archive: Path
    """The root file system of the image, a tar archive."""
    tools: dict[str, str]
    """Versions of what else takes part."""

    @property
    def home(self) -> Path:
        """Return the home of our engine."""
        return self.directory / "home"


@contextmanager
def arena(counts: Counts, place: str = DISK) -> Iterator[Arena]:
    """Build it below a directory; leave nothing behind."""
    # As pip does with what it installs; an editable package may be without.
    compileall.compile_dir(Path(containerlab.__file__).parent, quiet=1)
    cgroups = _peers_cgroups()
    directory = Path(tempfile.mkdtemp(prefix="conlab-bench-", dir=place))
    directory.chmod(0o755)
    try:
        with ExitStack() as stack:
            root, archive = _root_file_system(directory)
            engine = stack.enter_context(Engine(home=directory / "home"))
            engine.images.import_(str(archive), IMAGE)
            built = Arena(directory, engine, {}, {}, {}, counts, archive, {})
            _invite(built, stack, root, archive)
            yield built
    finally:
        _clear(directory)
        for cgroup in reversed([path for path in _peers_cgroups() if path not in cgroups]):
            with suppress(OSError):  # what somebody else uses by now
                cgroup.rmdir()


def _invite(built: Arena, stack: ExitStack, root: Path, archive: Path) -> None:
    directory = built.directory
    for name in ("crun", "runc"):
        _meet(built, built.runtimes, name, partial(peers.runtime, name, directory, root))
    _meet(built, built.runtimes, "bwrap", lambda: peers.bubblewrap(root))
    _meet(built, built.engines, "docker", lambda: stack.enter_context(peers.docker(directory, archive)))
    _meet(built, built.engines, "podman", lambda: stack.enter_context(peers.podman(directory, archive)))


def _meet(built: Arena, where: dict[str, _Peer], name: str, make: Callable[[], _Peer]) -> None:
    try:
        where[name] = make()
    except peers.Absent as reason:
        built.absent[name] = str(reason)


def _root_file_system(directory: Path) -> tuple[Path, Path]:
    """Make one of busybox, as a directory for the runtimes and as an archive for the engines."""
    program = shutil.which("busybox")
    if program is None:
        raise SystemExit("The benchmarks need busybox (package busybox-static).")
    root, archive = directory / "root", directory / "root.tar"
    for name in ("bin", "dev", "etc", "proc", "sys", "tmp"):
        (root / name).mkdir(parents=True)
    shutil.copy2(os.path.realpath(program), root / "bin/busybox")
    for applet in _APPLETS:
        (root / "bin" / applet).symlink_to("busybox")
    with tarfile.open(archive, "w") as file:
        for entry in sorted(root.iterdir()):
            file.add(entry, entry.name)
    return root, archive


def _clear(directory: Path) -> None:
    """Remove the directory, and first what podman keeps mounted in it."""
    with open("/proc/self/mounts") as file:
        targets = [line.split()[1] for line in file]
    for target in reversed(targets):
        if target.startswith(f"{directory}/"):
            peers.command("umount", "--lazy", target)
    shutil.rmtree(directory, ignore_errors=True)


def _peers_cgroups() -> list[Path]:
    """Return what Docker and Podman make in every hierarchy and leave there; those above come first."""
    # Not glob(), which fails when a cgroup of somebody else goes away meanwhile.
    directories = [Path(directory) for directory, _, _ in os.walk("/sys/fs/cgroup")]
    return [
        path
        for path in directories
        if any(name == "docker" or name.startswith("libpod") for name in path.parts)
    ]
