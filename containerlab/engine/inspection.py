"""Inspection: all that is known about containers, images or volumes, laid out as Docker's `inspect` does."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from containerlab.backends.base import ContainerInfo, ImageInfo
from containerlab.engine.logs import timestamp
from containerlab.options.container import RunOptions
from containerlab.options.flag import flags
from containerlab.views import html

__all__ = ["Inspection", "of_container", "of_image"]

Document = dict[str, Any]


class Inspection(html.Shown):
    """Documents to look into: text is JSON, HTML opens on a click."""

    def __init__(self, documents: Sequence[Document]) -> None:
        self.documents = tuple(documents)

    def __getitem__(self, key: str | int) -> Any:
        """Return a document by place, or a key of the only document."""
        return self.documents[key] if isinstance(key, int) else self.documents[0][key]

    def to_text(self) -> str:
        return json.dumps(self.documents, indent=4, ensure_ascii=False)

    to_json = to_text

    def to_records(self) -> list[Document]:
        return list(self.documents)

    def to_html(self) -> str:
        is_alone = len(self.documents) == 1
        return "".join(
            _html(str(document.get("Name") or document.get("Id", "")), document, is_alone)
            for document in self.documents
        )

    def __repr__(self) -> str:
        return self.to_text()


def _html(name: str, value: Any, is_open: bool = False) -> str:
    if isinstance(value, Mapping) and value:
        inner = "".join(_html(str(key), item) for key, item in value.items())
        indented = f'<div style="margin-left:1.5em;overflow-wrap:anywhere;">{inner}</div>'
        return html.details(name, indented, is_open)
    return f"<div><b>{html.text(name)}</b>: {html.breakable(json.dumps(value, ensure_ascii=False))}</div>"


def of_container(info: ContainerInfo) -> Document:
    """Lay a container out; what Docker has no place for stands below Containerlab."""
    detail = msgspec.to_builtins(info.detail)
    options = detail.pop("options", {})
    document: Document = {
        "Id": info.id,
        "Name": info.name,
        "Created": timestamp(info.created),
        "RestartCount": detail.get("restarts", 0),
        "Path": info.command[0] if info.command else "",
        "Args": list(info.command[1:]),
        "State": _state(info),
        "Image": info.image_id,
        "Config": {"Image": info.image, "Cmd": list(info.command), "Labels": info.labels},
        "HostConfig": {},
        "Mounts": detail.pop("mounts", []),
    }
    for name, flag in flags(RunOptions).items():
        if flag.api and name in options:
            _place(document, flag.api, options[name])
    if check := detail.pop("healthcheck", None):
        document["Config"]["Healthcheck"] = check
    if health := detail.pop("health", None):
        document["State"]["Health"] = _health(health)
    document["Containerlab"] = {"Notices": list(info.notices), **detail}
    return document


def _state(info: ContainerInfo) -> Document:
    return {
        "Status": info.status,
        "Running": info.status in ("running", "paused"),
        "Paused": info.status == "paused",
        "Restarting": info.status == "restarting",
        "OOMKilled": info.oom_killed,
        "Dead": info.status == "dead",
        "Pid": info.pid,
        "ExitCode": info.exit_code or 0,
        "Error": info.error,
        "StartedAt": timestamp(info.started_at),
        "FinishedAt": timestamp(info.finished_at),
    }


def _health(health: Document) -> Document:
    log = [
        {
            "Start": timestamp(entry["start"]),
            "End": timestamp(entry["end"]),
            "ExitCode": entry["exit_code"],
            "Output": entry["output"],
        }
        for entry in health["log"]
    ]
    return {"Status": health["status"], "FailingStreak": health["failing_streak"], "Log": log}


_SCALES = {
    "HostConfig.NanoCpus": 1e9,
    **{f"Config.Healthcheck.{name}": 1e9 for name in ("Interval", "Timeout", "StartPeriod", "StartInterval")},
}
"""Docker's API has these in other units."""


def _place(document: Document, path: str, value: Any) -> None:
    if path in _SCALES:
        value = int(value * _SCALES[path])
    *groups, last = path.split(".")
    for group in groups:
        document = document.setdefault(group, {})
    document[last] = value


def of_image(info: ImageInfo) -> Document:
    """Lay an image out."""
    operating_system, _, architecture = info.platform.partition("/")
    return {
        "Id": info.id,
        "Name": info.names[0] if info.names else "",
        "RepoTags": list(info.names),
        "RepoDigests": [f"{name.rpartition(':')[0] or name}@{info.digest}" for name in info.names],
        "Created": timestamp(info.created) if info.created is not None else "",
        "Size": info.size_bytes,
        "Os": operating_system,
        "Architecture": architecture,
        "Config": info.config,
        "RootFS": {"Type": "layers", "Layers": list(info.layers)},
    }
