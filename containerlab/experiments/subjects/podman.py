"""Podman's containers, by its command line: it has no daemon that could be asked."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from containerlab.errors import ContainerFailed, LabError, TimedOut, Unsupported
from containerlab.experiments.shares import PREFIX, SHARES, Shares, is_stale
from containerlab.experiments.subject import PROBE
from containerlab.experiments.subjects import counting
from containerlab.experiments.subjects.output import Output

if TYPE_CHECKING:
    from containerlab.engine.engine import Engine

__all__ = ["Podman"]

_TIMEOUT_S = 60.0
_RUNTIMES = ((), ("--runtime", "runc"))
"""The usual one, which may be crun, and crun refuses some cgroup layouts."""
_LIMITS = ("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024")
"""Its usual limits are above what a machine without CAP_SYS_RESOURCE gives."""


class Podman:
    """Containers of podman; the image is loaded into its store, and removed again by `close`.

    places: options that lead to another store. Raises: Unsupported where it is not installed, ContainerFailed
    with its words where it does not work.
    """

    name, kind, tier = "podman", "container", ""

    def __init__(
        self, engine: Engine, image: str, shares: Shares, scratch: Path, places: Sequence[str] = ()
    ) -> None:
        program = shutil.which("podman")
        if program is None:
            raise Unsupported("podman is not installed")
        if os.geteuid() != 0:
            raise Unsupported(
                "podman's containers are compared as root: others have no cgroups of equal weight"
            )
        self._program = [program, *places, "--cgroup-manager", "cgroupfs"]
        self._options = [*_LIMITS, "--cpu-shares", str(SHARES), "--stop-timeout", "0"]
        if shares.path:
            self._options += ["--cgroup-parent", f"/{shares.path}"]
        self._runtime: Sequence[str] = ()
        self._numbers = count()
        self._remove_stale()
        self._image = self._loaded(engine, image, scratch)
        self._runtime = self._tried()
        about = json.loads(self._call("info", "--format", "json"))
        self.facts: Mapping[str, str] = {
            "engine": f"podman, by its command line, with {about['host']['ociRuntime']['name']}",
            "version": about["version"]["Version"],
            "network": "none; the host's where there is a port",
            "filesystem": about["store"]["graphDriverName"],
            "seccomp": "the usual filter",
            "cpu_shares": shares.fact,
            "restarts": "conmon calls podman, at once",
        }

    def _remove_stale(self) -> None:
        """Remove containers of comparisons that were killed."""
        told = _run([*self._program, "ps", "--all", "--filter", f"name={PREFIX}", "--format", "{{.Names}}"])
        for name in filter(is_stale, told.split()):
            _run([*self._program, "rm", "--force", name])

    def _loaded(self, engine: Engine, image: str, scratch: Path) -> str:
        archive = scratch / "podman.tar"
        engine.images.save(f"{image}:latest", output=str(archive))
        try:
            told = _run([*self._program, "load", "--quiet", "--input", str(archive)])
        finally:
            archive.unlink()
        found = re.search(r"Loaded image(?:\(s\))?: (\S+)", told)
        return found[1] if found else image

    def _tried(self) -> Sequence[str]:
        """Find a runtime with which a container runs."""
        for words in _RUNTIMES:
            self._runtime = words
            try:
                self._call("run", "--rm", "--network", "none", *self._options, self._image, PROBE, "ready")
            except ContainerFailed as error:
                failure = error
            else:
                return words
        self.close()
        raise failure

    def _call(self, *words: str) -> str:
        return _run([*self._program, *self._runtime, *words])

    def create(self, words: Sequence[str], *, port: int = 0, restarts: bool = False) -> Container:
        """Make a container."""
        options = [*self._options, "--network", "host" if port else "none"]
        options += ["--restart", "always"] if restarts else []
        options += ["--name", f"{PREFIX}{os.getpid()}-{next(self._numbers)}"]
        id_ = self._call("create", *options, self._image, *words).split()[-1]
        return Container([*self._program, *self._runtime], id_, port)

    def close(self) -> None:
        """Remove the image."""
        with suppress(LabError):  # somebody else uses it
            _run([*self._program, "rmi", self._image])


def _run(words: Sequence[str], timeout_s: float = _TIMEOUT_S) -> str:
    """Run a command to its end and return what it printed. Raises: ContainerFailed, TimedOut."""
    try:
        done = subprocess.run(
            words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout_s
        )
    except subprocess.TimeoutExpired as error:
        raise TimedOut(f"{' '.join(words)} has not ended within {timeout_s:g} s") from error
    if done.returncode:
        raise ContainerFailed(f"{' '.join(words)} ended with {done.returncode}: {done.stderr.strip()[-500:]}")
    return done.stdout


class Container:
    """One container."""

    def __init__(self, program: Sequence[str], id_: str, port: int) -> None:
        self._program = program
        self._id = id_
        self._port = port
        self._output = Output()
        self._errors = os.memfd_create("stderr", os.MFD_CLOEXEC)
        self._client: subprocess.Popen[bytes] | None = None
        self._kept: list[str] = []

    def start(self) -> None:
        self._client = subprocess.Popen(
            [*self._program, "start", "--attach", self._id],
            stdin=subprocess.DEVNULL,
            stdout=self._output.writer,
            stderr=self._errors,
            start_new_session=True,
        )
        self._output.handed()

    def first_output_at(self, timeout_s: float) -> float:
        try:
            return self._output.first_at(timeout_s, "podman's container has not printed anything")
        except ContainerFailed as error:
            said = os.pread(self._errors, 2000, 0).decode(errors="replace")
            raise ContainerFailed(f"{error.message}: {said}") from error

    def address(self) -> tuple[str, int]:
        return "127.0.0.1", self._port

    def execute(self, words: Sequence[str], timeout_s: float) -> str:
        return _run([*self._program, "exec", self._id, *words], timeout_s)

    def _do(self, verb: str) -> None:
        _run([*self._program, verb, self._id])

    def pids(self) -> list[int]:
        """Its processes and conmon, which is their parent."""
        return counting.with_parent(self.workload_pid())

    def workload_pid(self) -> int:
        return int(self._inspected()["State"]["Pid"])

    def _inspected(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(_run([*self._program, "inspect", self._id]))[0]
        return found

    def memory_bytes(self) -> int | None:
        return counting.memory_bytes_around(self.workload_pid())

    def disk_bytes(self) -> int:
        """Its layer and its papers."""
        found = self._inspected()
        layer = found["GraphDriver"]["Data"]
        places = [found["StaticDir"], layer["UpperDir"], layer["WorkDir"]]
        return sum(map(counting.allocated_bytes, places))

    def pause(self) -> None:
        self._do("pause")

    def resume(self) -> None:
        self._do("unpause")

    def snapshot(self) -> int:
        made = _run([*self._program, "commit", "--quiet", self._id]).strip()
        self._kept.append(made)
        sizes = [self._size(each) for each in (made, self._inspected()["Image"])]
        return max(0, sizes[0] - sizes[1])

    def _size(self, image: str) -> int:
        return int(_run([*self._program, "image", "inspect", "--format", "{{.Size}}", image]))

    def delete(self) -> None:
        with suppress(LabError):
            _run([*self._program, "rm", "--force", self._id])
        if self._client is not None:
            self._client.wait()
        self._output.close()
        os.close(self._errors)
        for image in self._kept:
            _run([*self._program, "rmi", image])
