"""Seeing through it: what a container really is, taken from the kernel's own files."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from containerlab.backends.base import ContainerInfo, StepInfo
from containerlab.commands.table import Argument, ContainerName, command
from containerlab.engine import columns
from containerlab.engine.cgroup_files import Limit, limits
from containerlab.errors import Conflict, NotPermitted
from containerlab.linux import capabilities, namespaces
from containerlab.linux.cgroups import hierarchy
from containerlab.views.table import Column, Table

if TYPE_CHECKING:
    from containerlab.engine.engine import Engine

__all__ = ["See"]

Words = Annotated[str, Argument('"run ..."')]


class Namespaces(NamedTuple):
    """A row of the matrix: one kind of namespace, the host's and each container's."""

    kind: str
    isolates: str
    ids: dict[str, int]


class Held(NamedTuple):
    """A capability and the sets in which a container's first process has it."""

    name: str
    effective: bool
    permitted: bool
    bounding: bool
    is_dockers: bool


class See:
    """What shows how containers work."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @command("explain")
    def explain(self, words: Words) -> Table[StepInfo]:
        """Show the steps of `run` with the real system calls and why, from the plan that is performed."""
        from containerlab.commands.parse import WrongUsage, parse

        call = parse(shlex.split(words))
        if call.command.name not in ("run", "create"):
            raise WrongUsage(f"cannot explain {call.command.name}", 'write explain "run IMAGE ..."')
        return self._engine.containers.plan(*call.arguments, **call.options)

    @command("ns")
    def ns(self, *names: ContainerName) -> Table[Namespaces]:
        """Compare the namespaces of the host and of containers; `=` marks one shared with a column before."""
        pids = {"host": os.getpid()} | {name: self._pid(name) for name in names or self._running()}
        ids = {name: _read(namespaces.of_pid, name, pid) for name, pid in pids.items()}
        rows = [
            Namespaces(kind.file, kind.isolates, {name: ids[name][kind.file] for name in ids})
            for kind in namespaces.KINDS
        ]
        return Table(rows, [_KIND, *(_ids_column(name) for name in pids), _ISOLATES])

    @command("caps")
    def caps(self, name: ContainerName) -> Table[Held]:
        """Show which capabilities a container's first process has, and which Docker would give."""
        sets = _read(capabilities.of_pid, name, self._pid(name))
        rows = [
            Held(
                capability.removeprefix("CAP_"),
                capability in sets.effective,
                capability in sets.permitted,
                capability in sets.bounding,
                capability in capabilities.DOCKER_DEFAULT,
            )
            for capability in capabilities.ALL
        ]
        return Table(rows, columns.CAPABILITIES)

    @command("cgroup")
    def cgroup(self, name: ContainerName) -> Table[Limit]:
        """Show the cgroup of a container: the limits in force, as the kernel's files have them."""
        info = self._running_info(name)
        plan = hierarchy.of_process(info.pid)
        # Where a controller is off, the container stays in a group of the host's: those are not its limits.
        own = sorted({path for _, path in plan.directories if info.id in path})
        title = "" if own else f"{info.name} has no cgroup of its own: it runs without limits"
        return Table([limit for path in own for limit in limits(path)], columns.LIMITS, title)

    def _pid(self, name: str) -> int:
        return self._running_info(name).pid

    def _running_info(self, name: str) -> ContainerInfo:
        info = self._engine.containers.info(name)
        if not info.pid:
            raise Conflict(f"{info.name} does not run", f"it is {info.status}; start it first")
        return info

    def _running(self) -> list[str]:
        return [container.name for container in self._engine.containers.list()]


_KIND = Column("kind", "NAMESPACE", lambda row: row.kind, "name")
_ISOLATES = Column("isolates", "ISOLATES", lambda row: row.isolates, "prose")


def _ids_column(name: str) -> Column:
    def show(row: Namespaces) -> str:
        before = list(row.ids)[: list(row.ids).index(name)]
        is_shared = any(row.ids[other] == row.ids[name] for other in before)
        return f"{'=' if is_shared else ' '}{row.ids[name]}"

    return Column(name, name.upper() if name == "host" else name, show, "code")


def _read(read: Any, name: str, pid: int) -> Any:
    try:
        return read(pid)
    except PermissionError as error:
        raise NotPermitted(f"cannot look into {name}: it belongs to another user") from error
    except FileNotFoundError as error:
        raise Conflict(f"{name} has just ended") from error
