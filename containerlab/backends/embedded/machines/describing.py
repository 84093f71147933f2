"""A machine's record, state and decisions as what `vm inspect` and `vm ps` show."""

from __future__ import annotations

from typing import Any

from containerlab.backends.embedded.machines.session import boot_of
from containerlab.backends.machine import Boot, MachineInfo
from containerlab.vm.records import Decided, Machine, MachineState

__all__ = ["describe"]


def describe(record: Machine, state: MachineState, decided: Decided, directory: str) -> MachineInfo:
    """Return a machine as it is now."""
    before = Boot(tier=record.tier, accelerator=decided.accelerator, kernel=decided.kernel)
    return MachineInfo(
        id=record.id,
        name=record.name,
        image=record.image,
        image_id=record.image_id,
        command=record.arguments,
        created=record.created,
        status=state.status,
        pid=state.pid,
        exit_code=state.exit_code,
        oom_killed=state.oom_killed,
        started_at=state.started_at,
        finished_at=state.finished_at,
        error=state.error,
        labels=record.labels,
        notices=decided.notices,
        boot=boot_of(before, state),
        memory_bytes=decided.memory_bytes,
        cpus=decided.cpus,
        detail=_detail(record, state, decided, directory),
    )


def _detail(record: Machine, state: MachineState, decided: Decided, directory: str) -> dict[str, Any]:
    return {
        "options": record.options,
        "ports": decided.published,
        "filesystem": decided.filesystem,
        "accelerator_reason": decided.reason,
        "mounts": [request._asdict() for request in record.mounts],
        "snapshot": {"layers": record.layers},
        "stop_signal": record.stop_signal,
        "stop_timeout_s": record.stop_timeout_s,
        "auto_remove": record.auto_remove,
        "restarts": state.restarts,
        "times": state.times,
        "usage": state.usage,
        "console_tail": state.console,
        "qemu": decided.qemu,
        "directory": directory,
        "log": f"{directory}/log",
    }
