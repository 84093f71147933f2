"""What killed processes left, found and put right by the next command.

A container whose state says that it runs, but whose lock is free, has lost its monitor; the kernel has
killed its first process then. What is left is to stop the rest of its cgroup, remove the cgroup, and write
the truth: "dead", with exit code 137 and the reason that the real one is lost.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from typing import NamedTuple

import msgspec

from containerlab.backends.embedded.starting import Decided
from containerlab.errors import CorruptContent, LabError
from containerlab.linux import procfs
from containerlab.linux.cgroups import control, hierarchy
from containerlab.linux.cgroups.plan import Plan as CgroupPlan
from containerlab.linux.cgroups.plan import merged
from containerlab.linux.cgroups.resources import Resources
from containerlab.linux.files import read_whole
from containerlab.store.records import Record, Records, State

__all__ = ["cgroup_of", "decision_of", "kill_monitor", "repair", "repair_all"]

_LOST = "its monitor was killed; the exit code is lost"
_LOST_BY_BOOT = "the machine went down; the exit code is lost"
_UNREADABLE = "its state could not be read; the exit code is lost"
_NO_RESTART = "its monitor was killed before it was started again"


def decision_of(records: Records, container_id: str) -> Decided:
    """Return what was decided at the container's last start; nothing before its first one."""
    try:
        return _decision(records, container_id)
    except (FileNotFoundError, msgspec.DecodeError):
        return Decided()


def _decision(records: Records, container_id: str) -> Decided:
    raw = read_whole(f"{records.directory(container_id)}/decision.json")
    return msgspec.json.decode(raw, type=Decided)


def cgroup_of(records: Records, container_id: str) -> CgroupPlan | None:
    """Return the cgroup of the container's last start; if that cannot be read, where it must be."""
    try:
        values = _decision(records, container_id).cgroup
    except FileNotFoundError:
        return None
    except msgspec.DecodeError:
        return _usual_cgroup(records, container_id)
    return CgroupPlan.restore(values) if values else None


def _usual_cgroup(records: Records, container_id: str) -> CgroupPlan:
    parent = "containerlab"
    with contextlib.suppress(LabError):
        parent = records.record(container_id).options.get("cgroup_parent") or parent
    path = f"{parent.strip('/')}/{container_id}"
    return merged((hierarchy.detect().group(path).plan(Resources()), hierarchy.everywhere(path)))


class Found(NamedTuple):
    """What `repair_all` leaves to others: ids to be removed, and what is wrong for good: (id, a sentence)."""

    doomed: list[str]
    damaged: list[tuple[str, str]]


def repair_all(records: Records) -> Found:
    """Repair every container that needs it."""
    found = Found([], [])
    for container_id in records.ids():
        try:
            if repair(records, container_id):
                found.doomed.append(container_id)
        except CorruptContent as error:
            found.damaged.append((container_id, f"{error.message}: {error.hint}"))
        except LabError:  # it has just been removed
            continue
    return found


def repair(records: Records, container_id: str) -> bool:
    """Put one container right; say whether it is to be removed (--rm, or it was never to stay).

    Raises: NotFound; CorruptContent for what nobody can put right.
    """
    state = _state(records, container_id)
    if state.status in ("running", "restarting"):
        if records.is_supervised(container_id):
            return False
        with records.held(container_id):
            state = records.state(container_id)
            if state.status in ("running", "restarting") and not records.is_supervised(container_id):
                _bury(records, container_id, state)
        return not records.record(container_id).stays
    record = records.record(container_id)
    if state.status == "created":
        _clear(records, container_id)
    if record.stays or records.is_supervised(container_id):
        return False
    if record.purpose or state.status == "created":
        return _is_abandoned(record)
    return state.status in ("exited", "dead")


def _state(records: Records, container_id: str) -> State:
    """Return a container's state: dead, when it cannot be read and there is no monitor."""
    try:
        return records.state(container_id)
    except CorruptContent:
        with records.held(container_id):
            if not records.is_supervised(container_id):
                _bury(records, container_id, State(error=_UNREADABLE))
            return records.state(container_id)


def kill_monitor(directory: str) -> None:
    """Kill a container's monitor, and with it the container, when nothing else says who they are."""
    import socket

    from containerlab.runtime.lifecycle import attach

    with (
        contextlib.suppress(ConnectionRefusedError, FileNotFoundError),
        contextlib.closing(attach(directory)) as found,
    ):
        credentials = found.sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        os.kill(int.from_bytes(credentials[:4], "little"), signal.SIGKILL)


def _is_abandoned(record: Record) -> bool:
    """Tell whether whoever made a container for himself is dead."""
    return record.creator is not None and not procfs.is_alive(record.creator)


def _clear(records: Records, container_id: str) -> None:
    """Remove what a monitor had made that was killed before the container ran."""
    group = cgroup_of(records, container_id)
    if group is None or not any(map(os.path.isdir, group.paths)):
        return
    with records.held(container_id):
        if records.state(container_id).status == "created" and not records.is_supervised(container_id):
            _remove_cgroup(group)


def _remove_cgroup(group: CgroupPlan) -> None:
    control.kill(group)
    control.remove(group)


def _bury(records: Records, container_id: str, state: State) -> None:
    procfs.send_signal(state.identity, signal.SIGKILL)
    if group := cgroup_of(records, container_id):
        _remove_cgroup(group)
    records.write_state(container_id, _dead(state))


def _dead(state: State) -> State:
    """Return the truth about a container without a monitor; one that waited for its restart had ended."""
    if state.status == "restarting":
        return msgspec.structs.replace(state, status="dead", error=_NO_RESTART)
    reason = state.error or _LOST if state.boot in ("", procfs.boot_id()) else _LOST_BY_BOOT
    return msgspec.structs.replace(
        state, status="dead", pid=0, exit_code=137, finished_at=time.time(), error=reason
    )
