"""The verbs that look at machines."""

from __future__ import annotations

import builtins
import contextlib
from collections.abc import Iterator
from pathlib import Path

from containerlab.backends.base import LogLine
from containerlab.backends.embedded.machines import repair
from containerlab.backends.embedded.machines.describing import describe
from containerlab.backends.embedded.machines.ground import Ground
from containerlab.backends.machine import MachineInfo, MachineSample
from containerlab.errors import CorruptContent, NotFound
from containerlab.linux.files import read_whole
from containerlab.vm.guest import wire
from containerlab.vm.records import MachineState

__all__ = ["LookingVerbs"]

_ANSWER_LIMIT_S = 30.0


class LookingVerbs(Ground):
    """Changes nothing but what it repairs."""

    def inspect(self, name: str) -> MachineInfo:
        """Return a machine as it is now."""
        machine_id = self.records.find(name)
        repair.repair(self.records, machine_id)
        return self._describe(machine_id)

    def _describe(self, machine_id: str) -> MachineInfo:
        return describe(
            self.records.record(machine_id),
            self.records.state(machine_id),
            repair.decision_of(self.records, machine_id),
            self.records.directory(machine_id),
        )

    def logs(
        self, name: str, *, follow: bool = False, since: float = 0.0, until: float = 0.0, tail: int = -1
    ) -> Iterator[LogLine]:
        """Yield what its program printed."""
        from containerlab.backends.embedded import output

        machine_id = self.records.find(name)
        return output.read_log(
            self.records.directory(machine_id),
            lambda: self.records.is_supervised(machine_id),
            follow=follow,
            since=since,
            until=until,
            tail=tail,
        )

    def console(self, name: str) -> bytes:
        """Return the last that the guest's kernel printed."""
        try:
            return read_whole(f"{self.records.directory(self.records.find(name))}/console")
        except FileNotFoundError:
            return b""

    def sample(self, name: str) -> MachineSample:
        """Measure a running machine, from the host and from inside."""
        from containerlab.backends.embedded.machines import measuring

        machine_id, state = self._running(name)
        return measuring.sample(state.pid, lambda: self._measured(machine_id, state))

    def _measured(self, machine_id: str, state: MachineState) -> dict[str, int]:
        """Ask the guest, which cannot answer while it is paused."""
        if state.status == "paused":
            return {}
        with self._connected(machine_id) as connection:
            said = wire.unpaired(connection.ask(wire.MEASURE, timeout_s=_ANSWER_LIMIT_S))
        return {key: int(value) for key, value in said}

    def disk_bytes(self, name: str) -> int:
        """Return what a machine takes on disk, beside what machines of its image share."""
        directory = Path(self.records.directory(self.records.find(name)))
        return sum(path.lstat().st_blocks * 512 for path in directory.rglob("*"))

    def list(self) -> builtins.list[MachineInfo]:
        """Return all machines, newest first."""
        self.check()
        found = []
        for machine_id in self.records.ids():
            with contextlib.suppress(NotFound, CorruptContent):
                found.append(self._describe(machine_id))
        return sorted(found, key=lambda info: info.created, reverse=True)
