"""What `vm inspect` shows of a machine."""

from __future__ import annotations

from typing import Any

import msgspec

from containerlab.backends.machine import MachineInfo
from containerlab.engine.logs import timestamp

__all__ = ["document"]


def document(info: MachineInfo) -> dict[str, Any]:
    """Return a machine as a document, its parts called as those of containers are."""
    detail: dict[str, Any] = msgspec.to_builtins(info.detail)
    state = {
        "Status": info.status,
        "Running": info.status in ("running", "paused"),
        "Paused": info.status == "paused",
        "Pid": info.pid,
        "ExitCode": info.exit_code or 0,
        "Error": info.error,
        "StartedAt": timestamp(info.started_at) if info.started_at else "",
        "FinishedAt": timestamp(info.finished_at) if info.finished_at else "",
    }
    boot = {
        "Tier": info.boot.tier,
        "Accelerator": info.boot.accelerator,
        "Kernel": info.boot.kernel,
        "BootSeconds": info.boot.boot_s,
        "ReadySeconds": info.boot.ready_s,
    }
    return {
        "Id": info.id,
        "Name": info.name,
        "Created": timestamp(info.created),
        "Image": info.image,
        "ImageID": info.image_id,
        "Command": list(info.command),
        "State": state,
        "Boot": boot,
        "Memory": info.memory_bytes,
        "Cpus": info.cpus,
        "Ports": detail.pop("ports", []),
        "Labels": info.labels,
        "Notices": list(info.notices),
        **{_camel(key): value for key, value in detail.items()},
    }


def _camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))
