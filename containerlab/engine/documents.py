"""Containers, images and volumes as documents, laid out as Docker's `inspect` does.

Every key of Docker's that a template may ask for is there, empty where nobody asked for anything. What Docker
has no place for stands below Containerlab.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from containerlab.backends.base import Backend, ContainerInfo, ImageInfo, VolumeInfo
from containerlab.backends.optional import Sizing
from containerlab.engine.logs import timestamp
from containerlab.errors import NotFound
from containerlab.options.container import RunOptions
from containerlab.options.flag import flags

__all__ = ["Document", "of_container", "of_image", "of_volume", "read_container"]

Document = dict[str, Any]

_NEVER = "0001-01-01T00:00:00Z"
_ZEROES: tuple[tuple[Any, str, str], ...] = (
    (
        0,
        "HostConfig",
        "BlkioWeight CpuPeriod CpuQuota CpuRealtimePeriod CpuRealtimeRuntime CpuShares Memory "
        "MemoryReservation MemorySwap NanoCpus OomScoreAdj",
    ),
    (
        "",
        "HostConfig",
        "Cgroup CgroupParent CgroupnsMode ContainerIDFile CpusetCpus CpusetMems IpcMode Isolation "
        "NetworkMode PidMode Runtime UTSMode UsernsMode VolumeDriver",
    ),
    (
        False,
        "HostConfig",
        "AutoRemove Init OomKillDisable Privileged PublishAllPorts ReadonlyRootfs",
    ),
    (
        None,
        "HostConfig",
        "Binds BlkioDeviceReadBps BlkioDeviceReadIOps BlkioDeviceWriteBps BlkioDeviceWriteIOps "
        "BlkioWeightDevice CapAdd CapDrop DeviceCgroupRules DeviceRequests Devices Dns DnsOptions DnsSearch "
        "ExtraHosts GroupAdd Links MaskedPaths MemorySwappiness Mounts PidsLimit ReadonlyPaths SecurityOpt "
        "StorageOpt Sysctls Tmpfs Ulimits VolumesFrom",
    ),
    ("", "Config", "Domainname Hostname StopSignal User WorkingDir"),
    (False, "Config", "AttachStderr AttachStdin AttachStdout OpenStdin StdinOnce Tty"),
    (None, "Config", "Cmd Entrypoint Env ExposedPorts Healthcheck OnBuild Volumes"),
)
"""What a key of Docker's is when nobody asked for anything: (value, group, keys)."""


def read_container(backend: Backend, name: str, sized: bool = False) -> Document:
    """Look a container up and lay it out; `sized`: with what it takes on disk."""
    info = backend.inspect(name)
    try:
        image = backend.image(info.image_id).config
    except NotFound:  # rmi -f
        image = {}
    document = of_container(info, image)
    if sized and isinstance(backend, Sizing):
        size = backend.sizes([info.id])[info.id]
        document |= {"SizeRw": size.written_bytes, "SizeRootFs": size.all_bytes}
    return document


def of_container(info: ContainerInfo, image: Mapping[str, Any]) -> Document:
    """Lay a container out; `image` is the configuration of its image."""
    detail = msgspec.to_builtins(info.detail)
    options = detail.pop("options", {})
    spec = detail.get("spec") or {}
    paths = {mount["destination"]: mount.get("source", "") for mount in spec.get("mounts", [])}
    document: Document = {
        "Id": info.id,
        "Created": timestamp(info.created),
        "Path": info.command[0] if info.command else "",
        "Args": list(info.command[1:]),
        "State": _state(info),
        "Image": info.image_id,
        "Name": f"/{info.name}",
        "RestartCount": detail.get("restarts", 0),
        "Driver": (detail.get("snapshot") or {}).get("kind", ""),
        "Platform": "linux",
        **{
            f"{key}Path": f"{detail.get('directory', '')}/{file}"
            for key, file in (("ResolvConf", "resolv.conf"), ("Hostname", "hostname"), ("Hosts", "hosts"))
        },
        "LogPath": detail.get("log", ""),
        **{group: {} for group in ("HostConfig", "Config")},
        "Mounts": [_mount(mount, paths) for mount in detail.pop("mounts", [])],
        "NetworkSettings": {"Ports": {}, "IPAddress": "", "MacAddress": "", "Gateway": "", "Networks": {}},
    }
    _fill(document, options)
    _complete(document, info, image, spec)
    if check := detail.pop("healthcheck", None):
        document["Config"]["Healthcheck"] = check
    if health := detail.pop("health", None):
        document["State"]["Health"] = _health(health)
    document["Containerlab"] = {"Notices": list(info.notices), **detail}
    return document


def _fill(document: Document, options: Mapping[str, Any]) -> None:
    for zero, group, keys in _ZEROES:
        document[group] |= dict.fromkeys(keys.split(), zero)
    document["HostConfig"] |= {
        "LogConfig": {"Type": "json-file", "Config": {}},
        "PortBindings": {},
        "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0},
        "ShmSize": 64 << 20,
    }
    for name, flag in flags(RunOptions).items():
        if flag.api and name in options:
            _place(document, flag.api, options[name])


def _place(document: Document, path: str, value: Any) -> None:
    """Put an option's value where Docker has it, in Docker's form."""
    form = _FORMS.get(path)
    *groups, last = path.split(".")
    for group in groups:
        if not isinstance(document.get(group), dict):
            document[group] = {}
        document = document[group]
    document[last] = form(value) if form else value


def _complete(document: Document, info: ContainerInfo, image: Mapping[str, Any], spec: Document) -> None:
    """Add what the image says, and what was decided when the container started."""
    config, host = document["Config"], document["HostConfig"]
    for key in (
        "Cmd",
        "Entrypoint",
        "ExposedPorts",
        "Healthcheck",
        "OnBuild",
        "StopSignal",
        "User",
        "Volumes",
    ):
        config[key] = config[key] or image.get(key) or config[key]
    config["WorkingDir"] = config["WorkingDir"] or image.get("WorkingDir", "")
    config["Env"] = _variables(image.get("Env") or [], config["Env"] or [])
    config |= {"Image": info.image, "Labels": info.labels}
    if given := info.detail.get("command"):
        config["Cmd"] = list(given)
    config["Hostname"] = config["Hostname"] or info.id[:12]
    host["NetworkMode"] = host["NetworkMode"] or "none"
    host["IpcMode"] = host["IpcMode"] or "private"
    if host["Memory"] and not host["MemorySwap"]:
        host["MemorySwap"] = 2 * host["Memory"]
    linux = spec.get("linux", {})
    host["MaskedPaths"] = linux.get("maskedPaths", [])
    host["ReadonlyPaths"] = linux.get("readonlyPaths", [])


def _variables(image: list[str], given: list[str]) -> list[str]:
    values = dict(line.partition("=")[::2] for line in (*image, *given))
    return [f"{name}={value}" for name, value in values.items()]


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
        "StartedAt": timestamp(info.started_at) if info.started_at else _NEVER,
        "FinishedAt": timestamp(info.finished_at) if info.finished_at else _NEVER,
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


def _mount(mount: Mapping[str, Any], paths: Mapping[str, str]) -> Document:
    """Lay a mount out; `paths` says where on the host the sources of a started container's mounts are."""
    kind, source = mount["kind"], mount["source"]
    named = {"Name": source, "Driver": "local"} if kind == "volume" else {}
    return {
        "Type": kind,
        **named,
        "Source": paths.get(mount["target"], source) if kind in ("volume", "image") else source,
        "Destination": mount["target"],
        "Mode": "ro" if mount["readonly"] else "",
        "RW": not mount["readonly"],
        "Propagation": mount["propagation"] or ("rprivate" if kind == "bind" else ""),
    }


def _bind(mount: list[Any]) -> str:
    """Write a mount as -v has it; its fields are those of MountRequest, in order."""
    _, source, target, readonly, *_ = mount
    return ":".join(word for word in (source, target, "ro" if readonly else "") if word)


def _request(mount: list[Any]) -> Document:
    kind, source, target, readonly, *_ = mount
    return {"Type": kind, "Source": source, "Target": target, "ReadOnly": readonly}


def _tmpfs(mounts: list[list[Any]]) -> dict[str, str]:
    found = {}
    for _, _, target, readonly, _, _, _, _, _, size_bytes, mode, options in mounts:
        words = ["ro"] * readonly + ([f"size={size_bytes}"] if size_bytes is not None else [])
        found[target] = ",".join([*words, *([f"mode={mode:o}"] if mode is not None else []), *options])
    return found


def _each(*keys: str) -> Callable[[list[list[Any]]], list[Document]]:
    return lambda items: [dict(zip(keys, item, strict=True)) for item in items]


_FORMS: dict[str, Callable[[Any], Any]] = {
    "HostConfig.NanoCpus": lambda cores: round(cores * 1e9),
    **{
        f"Config.Healthcheck.{name}": lambda duration_s: round(duration_s * 1e9)
        for name in ("Interval", "Timeout", "StartPeriod", "StartInterval")
    },
    "HostConfig.BlkioWeightDevice": _each("Path", "Weight"),
    **{f"HostConfig.BlkioDevice{what}": _each("Path", "Rate") for what in ("ReadBps", "WriteBps")},
    **{f"HostConfig.BlkioDevice{what}": _each("Path", "Rate") for what in ("ReadIOps", "WriteIOps")},
    "HostConfig.Devices": _each("PathOnHost", "PathInContainer", "CgroupPermissions"),
    "HostConfig.Ulimits": _each("Name", "Soft", "Hard"),
    "HostConfig.RestartPolicy": lambda policy: {"Name": policy[0], "MaximumRetryCount": policy[1]},
    "HostConfig.Binds": lambda mounts: [_bind(mount) for mount in mounts],
    "HostConfig.Mounts": lambda mounts: [_request(mount) for mount in mounts],
    "HostConfig.Tmpfs": _tmpfs,
    "HostConfig.ExtraHosts": lambda hosts: [":".join(host) for host in hosts],
    "Config.ExposedPorts": lambda ports: {port if "/" in port else f"{port}/tcp": {} for port in ports},
    "Config.StopSignal": lambda number: str(number),
    "Config.StopTimeout": round,
}
"""Docker's API has these in another form than the options."""


def of_image(info: ImageInfo) -> Document:
    """Lay an image out."""
    operating_system, _, architecture = info.platform.partition("/")
    architecture, _, variant = architecture.partition("/")
    return {
        "Id": info.id,
        "Name": info.names[0] if info.names else "",
        "RepoTags": list(info.names),
        "RepoDigests": [f"{name.rpartition(':')[0] or name}@{info.digest}" for name in info.names],
        "Parent": "",
        "Comment": info.comment,
        "Created": timestamp(info.created) if info.created is not None else "",
        "Author": info.author,
        "Architecture": architecture,
        "Variant": variant,
        "Os": operating_system,
        "Size": info.size_bytes,
        "Config": dict.fromkeys(_IMAGE_KEYS) | info.config,
        "RootFS": {"Type": "layers", "Layers": list(info.layers)},
    }


_IMAGE_KEYS = (
    "Cmd",
    "Entrypoint",
    "Env",
    "ExposedPorts",
    "Labels",
    "StopSignal",
    "User",
    "Volumes",
    "WorkingDir",
)


def of_volume(info: VolumeInfo) -> Document:
    """Lay a volume out."""
    return {
        "Name": info.name,
        "Driver": "local",
        "Mountpoint": info.path,
        "CreatedAt": timestamp(info.created),
        "Labels": msgspec.to_builtins(info.labels),
        "Options": None,
        "Scope": "local",
        "UsedBy": list(info.used_by),
    }
