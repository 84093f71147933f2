"""Virtual machines of one tier, through the engine."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from containerlab.errors import ContainerFailed, LabError, NotFound, Unsupported
from containerlab.experiments.shares import Shares, remove
from containerlab.experiments.subject import PROBE
from containerlab.experiments.subjects import counting
from containerlab.experiments.subjects.attached import Attached
from containerlab.linux.cgroups import control, hierarchy
from containerlab.linux.cgroups.plan import Plan

if TYPE_CHECKING:
    from containerlab.backends.machine import MachineBackend, MachineInfo, Virtual
    from containerlab.engine.engine import Engine
    from containerlab.options.machine import VmCreateOptions

__all__ = ["MachineGroups", "Tiered"]

_FORK_SERVER = b"containerlab.store.fork_server"


class Tiered:
    """Machines of one tier, QEMU and monitor in a cgroup of their own each.

    The first one is booted here: so it is known whether they work, kernel and root file system are prepared,
    and the accelerator is part of the name. Raises: LabError with the reason when they do not.
    """

    kind = "vm"

    def __init__(
        self, engine: Engine, image: str, groups: MachineGroups, tier: str, memory_bytes: int | None = None
    ) -> None:
        self._engine = engine
        self._image = image
        self._groups = groups
        self.tier = tier
        self._options: VmCreateOptions = {"tier": tier}
        if memory_bytes:
            self._options["memory"] = memory_bytes
        self.name, self.facts = self._tried(groups.fact)

    def _tried(self, cpu_shares: str) -> tuple[str, Mapping[str, str]]:
        options: VmCreateOptions = {**self._options, "network": "none"}
        tried = self._engine.machines.create(self._image, [PROBE, "ready"], **options)
        try:
            tried.start()
            tried.wait(timeout=300)
            info = tried.reload().info
        finally:
            tried.remove(force=True)
        boot = info.boot
        return f"vm {self.tier} ({boot.accelerator})", {
            "engine": "containerlab, QEMU",
            "version": os.path.basename(info.detail["qemu"][0]),
            "accelerator": boot.accelerator,
            "accelerator_reason": info.detail["accelerator_reason"],
            "guest_kernel": boot.kernel,
            "guest_memory": f"{info.memory_bytes >> 20} MiB",
            "guest_processors": str(info.cpus),
            "filesystem": info.detail["filesystem"],
            "network": "none; QEMU's user network where there is a port",
            "seccomp": "none, the guest's kernel is its own",
            "cpu_shares": cpu_shares,
            "restarts": "its monitor, after 0.1 s",
        }

    def create(self, words: Sequence[str], *, port: int = 0, restarts: bool = False) -> Machine:
        """Make a machine."""
        options: VmCreateOptions = {**self._options, "network": "user" if port else "none"}
        if port:
            options["publish"] = [f"127.0.0.1::{port}"]
        if restarts:
            options["restart"] = "always"
        made = self._engine.machines.create(self._image, list(words), **options)
        return Machine(self._engine, made.id, self._groups)

    def close(self) -> None:
        """Give the groups back."""
        self._groups.close()


class MachineGroups:
    """The cgroups of machines. The process that forks monitors enters one before it does: all below inherits.

    A machine that was moved when it runs already would leave its memory on somebody else's account. That
    process is the same for all tiers, so they share one of these.
    """

    def __init__(self, shares: Shares) -> None:
        self._shares = shares
        self._numbers = count()
        self._homes: dict[int, Plan] = {}
        self._inside: Plan | None = None

    @property
    def fact(self) -> str:
        """A column of every row."""
        return self._shares.fact

    def new(self) -> Plan | None:
        """Make a group, and enter it: whoever makes a machine usually starts it next."""
        group = self._shares.group(f"vm-{next(self._numbers)}")
        self.enter(group)
        return group

    def enter(self, group: Plan | None) -> None:
        """Let what is started next be in a group."""
        if group is None or group == self._inside:
            return
        for pid in _fork_servers():
            self._homes.setdefault(pid, hierarchy.of_process(pid))
            control.enter(group, pid)
        self._inside = group

    def leave(self, group: Plan | None) -> None:
        """Remove a group whose machine is gone."""
        if group is not None and group == self._inside:
            self.close()
        remove(group)

    def close(self) -> None:
        """Bring the forking processes to where they were."""
        for pid in _fork_servers():
            if pid in self._homes:
                control.enter(self._homes[pid], pid)
        self._inside = None


def _fork_servers() -> list[int]:
    """Return the processes of ours that fork monitors; they are children of this one, by whatever thread."""
    found = []
    for task in os.listdir("/proc/self/task"):
        for pid in Path(f"/proc/self/task/{task}/children").read_text().split():
            with suppress(FileNotFoundError, ProcessLookupError):
                if _FORK_SERVER in Path(f"/proc/{pid}/cmdline").read_bytes():
                    found.append(int(pid))
    return found


class Machine:
    """One machine."""

    def __init__(self, engine: Engine, id_: str, groups: MachineGroups) -> None:
        self._engine = engine
        self._id = id_
        self._groups = groups
        self._group = groups.new()
        self._attached: Attached | None = None

    @property
    def _machines(self) -> MachineBackend:
        backend: Virtual = self._engine.backend  # type: ignore[assignment]  # it has made one already
        return backend.machines

    def start(self) -> None:
        """Start it. Returns when the guest has begun the program: the engine waits for that."""
        self._groups.enter(self._group)
        self._attached = Attached(self._machines.start_attached(self._id, time.monotonic()))

    def first_output_at(self, timeout_s: float) -> float:
        assert self._attached is not None, "start it first"
        return self._attached.first_output_at(timeout_s)

    def address(self) -> tuple[str, int]:
        """Return where its port is published."""
        ports = self._info().detail["ports"]
        if not ports:
            raise Unsupported("this machine was made without a port")
        host, port, _ = ports[0].rsplit(":", 2)
        return host, int(port)

    def execute(self, words: Sequence[str], timeout_s: float) -> str:
        result = self._engine.machines.exec(self._id, list(words), timeout=timeout_s)
        if result.exit_code:
            raise ContainerFailed(f"{' '.join(words)} ended with {result.exit_code}: {result.stderr}")
        return result.stdout

    def pids(self) -> list[int]:
        """QEMU, its monitor, and what else that one started."""
        qemu = self.workload_pid()
        return counting.descendants([counting.parent(qemu)]) if qemu else []

    def workload_pid(self) -> int:
        return self._info().pid

    def _info(self) -> MachineInfo:
        return self._engine.machines.info(self._id)

    def memory_bytes(self) -> int | None:
        return counting.memory_bytes(self._group)

    def disk_bytes(self) -> int:
        return self._machines.disk_bytes(self._id)

    def pause(self) -> None:
        self._engine.machines.pause(self._id)

    def resume(self) -> None:
        self._engine.machines.unpause(self._id)

    def snapshot(self) -> int:
        return self._machines.snapshot(self._id)

    def delete(self) -> None:
        with suppress(NotFound):
            self._machines.remove(self._id, force=True)
        if self._attached is not None:
            with suppress(LabError):
                self._attached.close()
        self._groups.leave(self._group)
