"""What all verbs of machines stand on: one home, its images, its records."""

from __future__ import annotations

import builtins
import contextlib
import time
from collections.abc import Callable
from typing import NamedTuple

from containerlab.backends.embedded.machines import repair
from containerlab.errors import Conflict, LabError, NotFound
from containerlab.linux import idmap as idmaps
from containerlab.linux.files import remove_tree
from containerlab.store.home import Home
from containerlab.store.images import Images
from containerlab.store.volumes import Volumes
from containerlab.store.workshop import Workshop
from containerlab.vm import connection as connections
from containerlab.vm.records import Machine, MachineRecords, MachineState

__all__ = ["Ground", "Surroundings", "await_end"]


class Surroundings(NamedTuple):
    """What machines stand on. note: takes what happened: action, id, attributes."""

    home: Home
    store: Images
    volumes: Callable[[], Volumes]
    note: Callable[[str, str, dict[str, str]], None]


class Ground:
    """Shared by the parts."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._home, self._store, self._volumes, self._note = surroundings
        self.records = MachineRecords(self._home)
        self._workshop = Workshop(idmaps.HOST)
        self._repaired = False

    def close(self) -> None:
        """End the helper process; machines go on."""
        self._workshop.close()

    def _running(self, name: str) -> tuple[str, MachineState]:
        machine_id = self.records.find(name)
        repair.repair(self.records, machine_id)
        state = self.records.state(machine_id)
        if state.status not in ("running", "paused"):
            raise Conflict(
                f"machine {name} does not run", f"it is {state.status}; start it: conlab vm start {name}"
            )
        return machine_id, state

    def _connected(self, machine_id: str) -> connections.Connection:
        return connections.connect(self.records.directory(machine_id))

    def _discard(self, record: Machine) -> None:
        """Remove a machine that does not run."""
        with contextlib.suppress(NotFound), self.records.held(record.id):
            self.records.forget(record, remove_tree)

    def _repair_once(self) -> None:
        if not self._repaired:
            self._repaired = True
            self.check()

    def check(self) -> builtins.list[tuple[str, str]]:
        """Repair all machines; return (what, what was done)."""
        doomed, damaged = repair.repair_all(self.records)
        done = [(machine_id[:12], sentence) for machine_id, sentence in damaged]
        for machine_id in doomed:
            with contextlib.suppress(LabError):
                self._discard(self.records.record(machine_id))
                done.append((machine_id[:12], "removed: --rm, and it has ended"))
        self.records.repair_names()
        return done

    def _emit(self, record: Machine, action: str, **attributes: str) -> None:
        self._note(action, record.id, {"name": record.name, "image": record.image, **attributes})


def await_end(connection: connections.Connection, until: float | None = None) -> bool:
    """Wait until a monitor has hung up; say whether it has."""
    while connection.is_open:
        left_s = None if until is None else until - time.monotonic()
        if left_s is not None and left_s <= 0:
            return False
        connection.receive(left_s)
    return True
