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
from pathlib import Path

import msgspec

from containerlab.backends.embedded.starting import Decided
from containerlab.errors import LabError
from containerlab.linux import procfs
from containerlab.linux.cgroups import control
from containerlab.linux.cgroups.plan import Plan as CgroupPlan
from containerlab.store.records import Record, Records, State

__all__ = ["cgroup_of", "decision_of", "repair", "repair_all"]

_LOST = "its monitor was killed; the exit code is lost"
_LOST_BY_BOOT = "the machine went down; the exit code is lost"
_NO_RESTART = "its monitor was killed before it was started again"


def decision_of(records: Records, container_id: str) -> Decided:
    """Return what was decided at the container's last start; nothing before its first one."""
    try:
        raw = Path(f"{records.directory(container_id)}/decision.json").read_bytes()
        return msgspec.json.decode(raw, type=Decided)
    except (FileNotFoundError, msgspec.DecodeError):
        return Decided()


def cgroup_of(records: Records, container_id: str) -> CgroupPlan | None:
    """Return the cgroup of the container's last start."""
    values = decision_of(records, container_id).cgroup
    return CgroupPlan.restore(values) if values else None


def repair_all(records: Records) -> list[str]:
    """Repair every container that needs it; return the ids of those that are to be removed."""
    doomed = []
    for container_id in records.ids():
        with contextlib.suppress(LabError):
            if repair(records, container_id):
                doomed.append(container_id)
    return doomed


def repair(records: Records, container_id: str) -> bool:
    """Put one container right; say whether it is to be removed (--rm, or it was never to stay)."""
    state = records.state(container_id)
    if state.status in ("running", "restarting"):
        if records.is_supervised(container_id):
            return False
        with records.held(container_id):
            state = records.state(container_id)
            if state.status in ("running", "restarting") and not records.is_supervised(container_id):
                _bury(records, container_id, state)
        return records.record(container_id).auto_remove
    record = records.record(container_id)
    if state.status == "created":
        _clear(records, container_id)
    if not record.auto_remove or records.is_supervised(container_id):
        return False
    return state.status in ("exited", "dead") or _is_abandoned(record, state)


def _is_abandoned(record: Record, state: State) -> bool:
    return state.status == "created" and record.creator is not None and not procfs.is_alive(record.creator)


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
    with contextlib.suppress(ProcessLookupError):
        pidfd = procfs.open_pidfd(state.identity)
        try:
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        finally:
            os.close(pidfd)
    if group := cgroup_of(records, container_id):
        _remove_cgroup(group)
    records.write_state(container_id, _dead(state))


def _dead(state: State) -> State:
    """Return the truth about a container without a monitor; one that waited for its restart had ended."""
    if state.status == "restarting":
        return msgspec.structs.replace(state, status="dead", error=_NO_RESTART)
    reason = _LOST if state.boot == procfs.boot_id() else _LOST_BY_BOOT
    return msgspec.structs.replace(
        state, status="dead", pid=0, exit_code=137, finished_at=time.time(), error=reason
    )
