"""What killed processes left of machines, found and put right by the next command.

A machine whose state says that it runs, or comes up, but whose lock is free, has lost its monitor; the kernel
has killed QEMU and its companions with it. What is left is to write the truth: "dead".
"""

from __future__ import annotations

import contextlib
import os
import time

import msgspec

from containerlab.errors import CorruptContent, LabError
from containerlab.linux import procfs
from containerlab.linux.files import read_whole, write_atomically
from containerlab.vm.records import Decided, Machine, MachineRecords, MachineState

__all__ = ["decision_of", "is_coming", "keep", "repair", "repair_all"]

_LOST = "its monitor was killed, and QEMU with it; the exit code is lost"
_UNREADABLE = "its state could not be read; the exit code is lost"


def decision_of(records: MachineRecords, machine_id: str) -> Decided:
    """Return what was decided at the machine's last start; nothing before its first one."""
    try:
        raw = read_whole(f"{records.directory(machine_id)}/decision.json")
        return msgspec.json.decode(raw, type=Decided)
    except (FileNotFoundError, msgspec.DecodeError):
        return Decided()


def keep(directory: str, decided: Decided) -> None:
    """Write down what was decided for a start."""
    write_atomically(f"{directory}/decision.json", msgspec.json.encode(decided), durable=False)


def repair_all(records: MachineRecords) -> tuple[list[str], list[tuple[str, str]]]:
    """Repair every machine that needs it; return ids to be removed, and what is wrong for good."""
    doomed: list[str] = []
    damaged: list[tuple[str, str]] = []
    for machine_id in records.ids():
        try:
            if repair(records, machine_id):
                doomed.append(machine_id)
        except CorruptContent as error:
            damaged.append((machine_id, f"{error.message}: {error.hint}"))
        except LabError:  # it has just been removed
            continue
    return doomed, damaged


def repair(records: MachineRecords, machine_id: str) -> bool:
    """Put one machine right; say whether it is to be removed (--rm).

    Raises: NotFound; CorruptContent for what nobody can put right.
    """
    if records.is_supervised(machine_id):
        return False
    record = records.record(machine_id)
    if _was_started(records, machine_id) and _state(records, machine_id).status != "exited":
        with records.held(machine_id):
            _bury(records, machine_id)
    if record.stays or records.is_supervised(machine_id):
        return False
    return _was_started(records, machine_id) or _is_abandoned(record)


def is_coming(records: MachineRecords, record: Machine) -> bool:
    """Say whether another process has made a machine for itself, and is about to start it."""
    creator = record.creator
    if creator is None or creator == records.myself() or _was_started(records, record.id):
        return False
    return procfs.is_alive(creator)


def _was_started(records: MachineRecords, machine_id: str) -> bool:
    return os.path.exists(f"{records.directory(machine_id)}/state.json")


def _state(records: MachineRecords, machine_id: str) -> MachineState:
    try:
        return records.state(machine_id)
    except CorruptContent:
        return MachineState(error=_UNREADABLE)


def _bury(records: MachineRecords, machine_id: str) -> None:
    state = _state(records, machine_id)
    if state.status in ("exited", "dead") or records.is_supervised(machine_id):
        return
    with contextlib.suppress(FileNotFoundError):
        os.unlink(f"{records.directory(machine_id)}/control.sock")
    dead = msgspec.structs.replace(
        state, status="dead", pid=0, exit_code=137, finished_at=time.time(), error=state.error or _LOST
    )
    records.write_state(machine_id, dead)


def _is_abandoned(record: Machine) -> bool:
    """Tell whether whoever made a machine for himself is dead."""
    return record.creator is not None and not procfs.is_alive(record.creator)
