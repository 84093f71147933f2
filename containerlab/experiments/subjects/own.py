"""Our own containers, through the engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib.metadata import version
from itertools import count
from typing import TYPE_CHECKING

from containerlab.errors import ContainerFailed, NotFound
from containerlab.experiments.shares import Shares
from containerlab.experiments.subjects import counting
from containerlab.experiments.subjects.attached import Attached

if TYPE_CHECKING:
    from containerlab.backends.base import ContainerInfo
    from containerlab.engine.engine import Engine
    from containerlab.options.container import CreateOptions

__all__ = ["Own"]

_RESTARTS = "its monitor, after 0.1 s"


class Own:
    """Containers of an engine, each with its files, its log and its monitor, as `run` makes them."""

    name, kind, tier = "containerlab", "container", ""

    def __init__(self, engine: Engine, image: str, shares: Shares) -> None:
        self._engine = engine
        self._image = image
        self._shares = shares
        self._numbers = count()
        self.facts: Mapping[str, str] = {
            "engine": "containerlab",
            "version": version("containerlab"),
            "network": "none; the host's where there is a port",
            "filesystem": "overlay",
            "seccomp": "the usual filter",
            "cpu_shares": shares.fact,
            "restarts": _RESTARTS,
        }

    def create(self, words: Sequence[str], *, port: int = 0, restarts: bool = False) -> Container:
        """Make a container."""
        options: CreateOptions = {"network": "host" if port else "none"}
        if restarts:
            options["restart"] = "always"
        if self._shares.path:
            options["cgroup_parent"] = self._shares.path
        created = self._engine.containers.create(self._image, list(words), **options)
        return Container(self._engine, created.id, port)

    def close(self) -> None:
        """Nothing is held."""


class Container:
    """One container."""

    def __init__(self, engine: Engine, id_: str, port: int) -> None:
        self._engine = engine
        self._id = id_
        self._port = port
        self._attached: Attached | None = None
        self._kept: list[str] = []

    def start(self) -> None:
        self._attached = Attached(self._engine.backend.start_attached(self._id))

    def first_output_at(self, timeout_s: float) -> float:
        assert self._attached is not None, "start it first"
        return self._attached.first_output_at(timeout_s)

    def address(self) -> tuple[str, int]:
        return "127.0.0.1", self._port

    def execute(self, words: Sequence[str], timeout_s: float) -> str:
        result = self._engine.containers.exec(self._id, list(words), timeout=timeout_s)
        if result.exit_code:
            raise ContainerFailed(f"{' '.join(words)} ended with {result.exit_code}: {result.stderr}")
        return result.stdout

    def pids(self) -> list[int]:
        """Its processes and its monitor, which is their parent."""
        found = {process.pid: process.ppid for process in self._engine.backend.processes(self._id)}
        return sorted({*found, *found.values()} - {0})

    def workload_pid(self) -> int:
        return self._info().pid

    def _info(self) -> ContainerInfo:
        return self._engine.containers.info(self._id)

    def memory_bytes(self) -> int | None:
        info = self._info()
        return counting.memory_bytes_around(info.pid) if info.detail["cgroup"] else None

    def disk_bytes(self) -> int:
        return counting.allocated_bytes(self._info().detail["directory"])

    def pause(self) -> None:
        self._engine.containers.pause(self._id)

    def resume(self) -> None:
        self._engine.containers.unpause(self._id)

    def snapshot(self) -> int:
        before = self._engine.images.get(self._info().image).info
        target = f"conlab-probe/snapshot:{self._id[:12]}-{len(self._kept)}"
        made = self._engine.containers.commit(self._id, target)
        self._kept.append(target)
        return made.size_bytes - before.size_bytes

    def delete(self) -> None:
        with suppress(NotFound):
            self._engine.containers.remove(self._id, force=True)
        if self._attached is not None:
            self._attached.close()
        for name in self._kept:
            self._engine.images.remove(name)
