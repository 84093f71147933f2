"""Containers of crun and runc, from bundles that we write: no image, no log, no engine above.

Their root file systems are overlays on one tree of the image's files, mounted where only their supervisor
sees them, so that none is left whatever happens to us.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from containerlab.errors import Unsupported
from containerlab.experiments.shares import SHARES, Shares
from containerlab.experiments.subjects import counting
from containerlab.experiments.subjects.process import Started, run_to_end
from containerlab.experiments.subjects.supervised import RESTARTS, Program, Supervised
from containerlab.linux.cgroups import hierarchy

if TYPE_CHECKING:
    from containerlab.engine.engine import Engine

__all__ = ["Bundles", "unpack"]

_TIMEOUT_S = 60.0


def unpack(engine: Engine, image: str, directory: Path) -> None:
    """Write the files of an image to a directory, once for all bundles."""
    engine.build(".", dockerfile=f"FROM {image}\n", output=[f"type=local,dest={directory}"], progress="quiet")


class Bundles:
    """Containers of one runtime. tree: the image's files; env: the image's variables."""

    kind, tier = "container", ""

    def __init__(self, name: str, tree: Path, env: Sequence[str], shares: Shares, scratch: Path) -> None:
        if os.geteuid() != 0:
            raise Unsupported(f"{name} is compared with bundles that need root")
        self.name = name
        self._program = _found(name)
        self._tree = tree
        self._env = list(env)
        self._shares = shares
        self._scratch = scratch / name
        self._scratch.mkdir()
        self._specification = _specification(self._program, self._scratch)
        self._supervised = Supervised()
        self._supervised.mount(_hidden_controllers(self._scratch))
        self._numbers = count()
        self.facts: Mapping[str, str] = {
            "engine": name,
            "version": _version(self._program),
            "network": "none; the host's where there is a port",
            "filesystem": "overlay",
            "seccomp": "none",
            "cpu_shares": shares.fact,
            "restarts": RESTARTS,
        }

    def create(self, words: Sequence[str], *, port: int = 0, restarts: bool = False) -> Bundle:
        """Write a bundle and mount its root file system."""
        id_ = f"conlab-{os.getpid()}-{self.name}-{next(self._numbers)}"
        directory = self._scratch / id_
        for part in ("rootfs", "upper", "work"):
            (directory / part).mkdir(parents=True)
        (directory / "config.json").write_text(json.dumps(self._filled(id_, words, bool(port))))
        options = f"lowerdir={self._tree},upperdir={directory}/upper,workdir={directory}/work"
        self._supervised.mount([("overlay", f"{directory}/rootfs", "overlay", options)])
        runtime = Runtime(self._program, f"{self._scratch}/state", id_)
        return Bundle(self._supervised, runtime, directory, port, restarts=restarts)

    def _filled(self, id_: str, words: Sequence[str], on_host: bool) -> dict[str, Any]:
        spec: dict[str, Any] = json.loads(json.dumps(self._specification))
        spec["process"].update(terminal=False, args=list(words), env=self._env, cwd="/")
        spec["root"] = {"path": "rootfs", "readonly": False}
        linux = spec["linux"]
        if self._shares.path:
            linux["cgroupsPath"] = f"/{self._shares.path}/{id_}"
        linux.setdefault("resources", {})["cpu"] = {"shares": SHARES}
        if on_host:
            linux["namespaces"] = [each for each in linux["namespaces"] if each["type"] != "network"]
        return spec

    def close(self) -> None:
        """End all of them."""
        self._supervised.close()
        shutil.rmtree(self._scratch)


def _found(name: str) -> str:
    path = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if path is None:
        raise Unsupported(f"{name} is not installed")
    return path


def _version(program: str) -> str:
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    found = re.search(r"\d+(\.\d+)+\S*", done.stdout)
    return found[0] if found else "unknown"


def _specification(program: str, directory: Path) -> dict[str, Any]:
    """Return the specification that the runtime itself proposes, which is one that it accepts."""
    subprocess.run([program, "spec"], cwd=directory, check=True, capture_output=True)
    written = directory / "config.json"
    spec: dict[str, Any] = json.loads(written.read_text())
    written.unlink()
    return spec


def _hidden_controllers(directory: Path) -> list[tuple[str, str, str, str]]:
    """Return what to mount so that a hybrid host's v2 hierarchy seems to have no controllers.

    crun refuses a layout where one is left there that nobody has mounted as v1, such as hugetlb.
    """
    unified = os.path.dirname(hierarchy.everywhere("any").unified)
    if hierarchy.detect().kind != "hybrid" or not unified:
        return []
    empty = directory / "no-controllers"
    empty.touch()
    return [(str(empty), f"{unified}/cgroup.controllers", "bind", "")]


class Runtime(NamedTuple):
    """A runtime's program, where it keeps its state, and a container's name there."""

    program: str
    state: str
    id: str

    def words(self, *verb: str) -> list[str]:
        """Return the command line that does something to the container."""
        return [self.program, "--root", self.state, *verb]


class Bundle:
    """One container."""

    def __init__(
        self, supervised: Supervised, runtime: Runtime, directory: Path, port: int, *, restarts: bool
    ) -> None:
        self._supervised = supervised
        self._runtime = runtime
        self._directory = directory
        self._port = port
        pid_file = f"{directory}/pid"
        run = runtime.words("run", "--detach", "--pid-file", pid_file, "--bundle", str(directory), runtime.id)
        undo = runtime.words("delete", "--force", runtime.id)
        self._started = Started(
            supervised, Program(runtime.id, run, restarts=restarts, pid_file=pid_file, undo=undo)
        )

    def start(self) -> None:
        self._started.start()

    def first_output_at(self, timeout_s: float) -> float:
        return self._started.first_output_at(timeout_s)

    def address(self) -> tuple[str, int]:
        return "127.0.0.1", self._port

    def execute(self, words: Sequence[str], timeout_s: float) -> str:
        return self._call(timeout_s, "exec", self._runtime.id, *words)

    def _call(self, timeout_s: float, *verb: str) -> str:
        return run_to_end(self._supervised, self._runtime.words(*verb), timeout_s)

    def pids(self) -> list[int]:
        return counting.descendants([self.workload_pid()])

    def workload_pid(self) -> int:
        return self._started.pid()

    def memory_bytes(self) -> int | None:
        return counting.memory_bytes_around(self.workload_pid())

    def disk_bytes(self) -> int:
        return counting.allocated_bytes(str(self._directory))

    def pause(self) -> None:
        self._call(_TIMEOUT_S, "pause", self._runtime.id)

    def resume(self) -> None:
        self._call(_TIMEOUT_S, "resume", self._runtime.id)

    def snapshot(self) -> int:
        name = os.path.basename(self._runtime.program)
        raise Unsupported(f"{name} keeps no images: that is done by engines above it")

    def delete(self) -> None:
        self._started.close()
        self._supervised.unmount([f"{self._directory}/rootfs"])
        shutil.rmtree(self._directory)
