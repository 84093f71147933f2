"""A record, its state and its decisions as what `inspect` and `ps` show."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from containerlab.backends.base import ContainerInfo
from containerlab.backends.embedded.starting import Decided, worth_saying
from containerlab.linux.cgroups import control
from containerlab.linux.cgroups.plan import Plan as CgroupPlan
from containerlab.linux.cgroups.plan import Write
from containerlab.store.records import Record, State

__all__ = ["describe", "describe_damaged", "describe_start"]


def describe(record: Record, state: State, decided: Decided, directory: str) -> ContainerInfo:
    """Return a container as it is now."""
    group = CgroupPlan.restore(decided.cgroup) if decided.cgroup else None
    status = state.status
    if status == "running" and group is not None and control.is_frozen(group):
        status = "paused"
    detail = _detail(record, state, decided, group, directory)
    return _info(record, state, decided, status, {**detail, "spec": _spec(directory)})


def describe_start(
    record: Record, decided: Decided, directory: str, refused: Sequence[str] = ()
) -> ContainerInfo:
    """Return a container as it starts, from what is in memory; `refused`: limits the kernel did not take."""
    group = CgroupPlan.restore(decided.cgroup) if decided.cgroup else None
    state = State(refused=tuple(refused))
    return _info(record, state, decided, "created", _detail(record, state, decided, group, directory))


def describe_damaged(remnant: Record, directory: str, error: str) -> ContainerInfo:
    """Return what is left to say of a container whose record or state cannot be read."""
    info = _info(remnant, State(error=error), Decided(), "damaged", {"directory": directory})
    return msgspec.structs.replace(info, created=os.stat(directory).st_mtime)


def _info(
    record: Record, state: State, decided: Decided, status: str, detail: dict[str, Any]
) -> ContainerInfo:
    return ContainerInfo(
        id=record.id,
        name=record.name,
        image=record.image,
        image_id=record.image_id,
        command=record.arguments or record.command,
        created=record.created,
        status=status,
        pid=state.pid,
        exit_code=state.exit_code,
        oom_killed=state.oom_killed,
        started_at=state.started_at,
        finished_at=state.finished_at,
        error=state.error,
        health=_health(state, status)["status"] if state.health else "",
        labels=record.labels,
        notices=(*decided.notices, *worth_saying(state.refused, record)),
        detail=detail,
    )


def _detail(
    record: Record, state: State, decided: Decided, group: CgroupPlan | None, directory: str
) -> dict[str, Any]:
    return {
        "options": record.options,
        "command": record.command,
        "stop_signal": record.stop_signal,
        "stop_timeout_s": record.stop_timeout_s,
        "auto_remove": record.auto_remove,
        "purpose": record.purpose,
        "directory": directory,
        "bundle": directory,
        "log": f"{directory}/log",
        "snapshot": {"kind": decided.snapshot or record.snapshot, "layers": record.layers},
        "idmap": record.idmap,
        "mounts": [request._asdict() for request in record.mounts],
        "anonymous_volumes": record.anonymous,
        "restarts": state.restarts,
        "healthcheck": record.healthcheck,
        "health": _health(state, state.status),
        "usage": {
            "cpu_s": state.cpu_s,
            "peak_memory_bytes": state.peak_memory_bytes,
            "throttled_s": state.throttled_s,
            "source": state.usage_source,
        },
        "cgroup": dict(group.directories) if group else {},
        "limits": [
            {"controller": w.controller, "file": w.file, "value": w.value, "path": w.path, "why": w.why}
            for w in _in_force(group, state)
        ],
    }


def _health(state: State, status: str) -> dict[str, Any]:
    """Return what is known of its health: what has ended is unhealthy, as Docker has it."""
    if not state.health or status in ("running", "paused"):
        return state.health or {}
    return {**state.health, "status": "unhealthy"}


def _in_force(group: CgroupPlan | None, state: State) -> Iterator[Write]:
    """Yield the limits as written; of several ways to say one thing that which this kernel took."""
    taken: set[tuple[str, str]] = set()
    for write in group.writes if group else ():
        purpose = (write.path, write.why)
        if write.controller == "devices" or (not write.required and purpose in taken):
            continue
        if any(told.startswith(f"no {write.why}:") for told in state.refused):
            continue
        if not write.required and state.pid and not os.path.exists(f"{write.path}/{write.file}"):
            continue
        taken.add(purpose)
        yield write


def _spec(directory: str) -> dict[str, Any]:
    try:
        with open(f"{directory}/config.json", "rb") as file:
            spec: dict[str, Any] = msgspec.json.decode(file.read())
    except (FileNotFoundError, msgspec.DecodeError):
        return {}
    return spec
