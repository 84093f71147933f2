"""Image configuration, the user's options and the host's facts become config.json.

Pure but for what it is told of devices. Every "off, because …" of a container is decided here and returned
as a notice.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from containerlab.errors import InvalidInput, Unsupported
from containerlab.linux import capabilities
from containerlab.oci import runtime as oci
from containerlab.oci.image import Config
from containerlab.runtime import devices_of_host, limits, posture, seccomp, sysctls
from containerlab.runtime.devices_of_host import HostDevice
from containerlab.runtime.host import Host
from containerlab.runtime.users import Account

__all__ = ["Outcome", "Request", "arguments", "environment", "make"]

_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_LATER = {
    "publish": "ports come with the network backend",
    "publish_all": "ports come with the network backend",
    "network_alias": "named networks come with the network backend",
    "link": "named networks come with the network backend",
    "ip": "named networks come with the network backend",
    "ip6": "named networks come with the network backend",
    "link_local_ip": "named networks come with the network backend",
    "mac_address": "named networks come with the network backend",
    "gpus": "use --device for the device nodes",
    "storage_opt": "sizes of root file systems cannot be limited by overlay",
    "volume_driver": "volumes are local directories",
}


class Request(NamedTuple):
    """What a container is to be.

    directory: where its files are (hosts, hostname, resolv.conf, rootfs).
    options: normalised, see options/container.py.
    volumes: mounts that are resolved to paths of the host already.
    joined: namespace type → path, for those of other containers.
    is_build: whether it is a RUN of a Dockerfile: as BuildKit has it, no variable and no file tells of the
    host's name, and what tells of the network cannot be written.
    """

    id: str
    directory: str
    config: Config
    command: tuple[str, ...]
    options: Mapping[str, Any]
    account: Account
    volumes: tuple[oci.MountPoint, ...] = ()
    joined: Mapping[str, str] = {}
    is_build: bool = False


class Outcome(NamedTuple):
    """config.json, and what was asked and cannot be given."""

    spec: oci.Spec
    notices: tuple[str, ...]


def make(request: Request, host: Host) -> Outcome:
    """Return the specification of a container.

    Raises: InvalidInput for options that make no sense, Unsupported for those that are not there yet.
    """
    refuse_unsupported(request.options)
    _refuse_groups(request, host)
    options = request.options
    namespaces = _namespaces(request, host)
    own = _own(namespaces)
    not_hosts = {namespace.type for namespace in namespaces}
    chosen = capabilities.chosen(
        options.get("cap_add", ()),
        options.get("cap_drop", ()),
        bool(options.get("privileged")),
        host.bounding,
    )
    security = _Security.read(options)
    devices = devices_of_host.chosen(options)
    process, process_notices = _process(request, host, chosen.capabilities, security)
    spec = oci.Spec(
        process=process,
        root=oci.Root(path=f"{request.directory}/rootfs", readonly=bool(options.get("read_only"))),
        hostname=_hostname(request) if "uts" in own else "",
        domainname=options.get("domainname", "") if "uts" in own else "",
        mounts=(
            *_mounts(request, not_hosts, host),
            *(_bound(device) for device in devices if host.is_rootless),
        ),
        annotations={str(key): str(value) for key, value in options.get("annotation", {}).items()},
        linux=_linux(request, host, namespaces, devices, security, chosen.capabilities),
    )
    return Outcome(
        spec, (*_about_proc(not_hosts, host), *chosen.notices, *process_notices, *security.notices)
    )


def _linux(
    request: Request,
    host: Host,
    namespaces: Sequence[oci.Namespace],
    devices: Sequence[HostDevice],
    security: _Security,
    granted: frozenset[str],
) -> oci.Linux:
    own = _own(namespaces)
    binds_proc = _binds_proc({namespace.type for namespace in namespaces}, host)
    return oci.Linux(
        namespaces=tuple(namespaces),
        uid_mappings=_mappings(host.idmap.uids) if "user" in own else (),
        gid_mappings=_mappings(host.idmap.gids) if "user" in own else (),
        resources=limits.resources(request.options, devices, rules_devices=not host.is_rootless),
        cgroups_path=_cgroup_path(request),
        devices=() if host.is_rootless else tuple(device.node for device in devices),
        sysctl=_sysctls(request, own, host, binds_proc=binds_proc),
        masked_paths=() if security.shows_system_paths else posture.MASKED,
        readonly_paths=() if security.shows_system_paths else posture.READONLY,
        seccomp=seccomp.choose(security.seccomp, granted, host.kernel),
    )


def _own(namespaces: Sequence[oci.Namespace]) -> set[str]:
    """Name those that are made for the container, not joined."""
    return {namespace.type for namespace in namespaces if not namespace.path}


def _refuse_groups(request: Request, host: Host) -> None:
    if request.options.get("group_add") and host.idmap.kind == "single":
        raise Unsupported(
            "--group-add needs subordinate ids: the kernel has no setgroups with a single one",
            "install the package uidmap and have subordinate ids",
        )


def refuse_unsupported(options: Mapping[str, Any]) -> None:
    """Raise Unsupported for an option that nothing here would heed."""
    for name, alternative in _LATER.items():
        if options.get(name) and (name, options[name]) != ("volume_driver", "local"):
            raise Unsupported(
                f"--{name.replace('_', '-')} is not there with the embedded engine", alternative
            )


def arguments(config: Config, command: Sequence[str], entrypoint: Sequence[str] | None) -> tuple[str, ...]:
    """Return what is executed: entry point and command, of the image unless overridden.

    Raises: InvalidInput when that is nothing.
    """
    if entrypoint is not None:
        words = (*(word for word in entrypoint if word), *command)
    else:
        words = (*config.entrypoint, *(command or config.cmd))
    if not words:
        raise InvalidInput("the image says no command", "give one after the image's name")
    return words


def environment(config: Config, given: Sequence[str], implied: Mapping[str, str]) -> tuple[str, ...]:
    """Return the variables: Docker's own, the image's, the user's; later ones win."""
    values = dict(implied)
    for entry in (_PATH, *config.env, *given):
        name, _, value = entry.partition("=")
        values[name] = value
    return tuple(f"{name}={value}" for name, value in values.items())


class _Security(NamedTuple):
    seccomp: str
    no_new_privileges: bool
    shows_system_paths: bool
    notices: tuple[str, ...]

    @classmethod
    def read(cls, options: Mapping[str, Any]) -> _Security:
        profile, no_new, shown, notices = "", False, False, []
        if options.get("privileged"):
            profile, shown = "unconfined", True
        for text in options.get("security_opt", ()):
            name, _, value = (
                text.replace(":", "=", 1).partition("=") if "=" not in text else text.partition("=")
            )
            match name, value:
                case "no-new-privileges", ("" | "true" | "false"):
                    no_new = value != "false"
                case "seccomp", str() if value:
                    profile = value
                case "systempaths", "unconfined":
                    shown = True
                case "apparmor" | "label", str():
                    if value not in ("unconfined", "disable"):
                        notices.append(
                            f"--security-opt {text}: this engine applies no AppArmor or SELinux label"
                        )
                case _:
                    raise InvalidInput(
                        f"--security-opt {text!r} is not known",
                        "use no-new-privileges, seccomp=FILE, seccomp=unconfined or systempaths=unconfined",
                    )
        return cls(profile, no_new, shown, tuple(notices))


def _process(
    request: Request, host: Host, held: frozenset[str], security: _Security
) -> tuple[oci.Process, tuple[str, ...]]:
    options, account = request.options, request.account
    names = tuple(sorted(held))
    effective = names if account.uid == 0 else ()
    rlimits, notices = limits.rlimits(options.get("ulimit", ()), may_raise=_may_raise(host))
    score, score_notices = _oom_score(options.get("oom_score_adj"), host)
    terminal = bool(options.get("tty"))
    implied = {"HOME": account.home or "/"}
    if not request.is_build:
        implied = {"HOSTNAME": _hostname(request), **implied}
    if terminal:
        implied["TERM"] = "xterm"
    process = oci.Process(
        terminal=terminal,
        cwd=options.get("workdir") or request.config.working_dir or "/",
        args=arguments(request.config, request.command, options.get("entrypoint")),
        env=environment(request.config, options.get("env", ()), implied),
        user=oci.User(uid=account.uid, gid=account.gid, additional_gids=account.groups),
        capabilities=oci.Capabilities(bounding=names, effective=effective, permitted=effective),
        rlimits=rlimits,
        no_new_privileges=security.no_new_privileges,
        oom_score_adj=score,
    )
    return process, (*notices, *score_notices)


def _may_raise(host: Host) -> bool:
    return not host.is_rootless and "CAP_SYS_RESOURCE" in host.bounding


def _oom_score(wanted: int | None, host: Host) -> tuple[int | None, tuple[str, ...]]:
    if wanted is None:
        return None, ()
    with open("/proc/self/oom_score_adj") as file:
        ours = int(file.read())
    if wanted >= ours or _may_raise(host):
        return wanted, ()
    return ours, (
        f"--oom-score-adj {wanted} is below this process's own, which needs CAP_SYS_RESOURCE: it is {ours}",
    )


def _hostname(request: Request) -> str:
    name = request.options.get("hostname")
    if request.options.get("uts") == "host":
        if name:
            raise InvalidInput("--hostname cannot be set with --uts host", "leave one of them out")
        return os.uname().nodename
    return name or request.id[:12]


def _namespaces(request: Request, host: Host) -> tuple[oci.Namespace, ...]:
    """Choose for each kind: a new one, the host's (left out), or somebody's (by path)."""
    options = request.options
    chosen = [oci.Namespace(type="mount")]
    for option, kind in (
        ("uts", "uts"),
        ("ipc", "ipc"),
        ("pid", "pid"),
        ("cgroupns", "cgroup"),
        ("time", "time"),
    ):
        mode = options.get(option) or "private"
        if kind == "time" and "time" in host.refused:
            continue
        if mode.startswith("container:"):
            chosen.append(oci.Namespace(type=kind, path=request.joined[kind]))
        elif mode != "host":
            chosen.append(oci.Namespace(type=kind))
    chosen += _network(request)
    user_mode = options.get("userns") or ""
    if "user" in request.joined:
        chosen.append(oci.Namespace(type="user", path=request.joined["user"]))
    elif host.is_rootless:
        chosen.append(oci.Namespace(type="user"))
    if user_mode not in ("", "host", "private") and not user_mode.startswith("container:"):
        raise Unsupported(
            f"--userns {user_mode} is not there with the embedded engine",
            "use host, or --user for a user of the image",
        )
    if user_mode == "private" and not host.is_rootless:
        raise Unsupported(
            "--userns private is not there for root with the embedded engine",
            "run as an ordinary user: then every container has a user namespace",
        )
    return tuple(chosen)


def _network(request: Request) -> list[oci.Namespace]:
    mode = request.options.get("network") or "none"
    if mode == "host":
        return []
    if mode.startswith("container:"):
        return [oci.Namespace(type="network", path=request.joined["network"])]
    if mode == "none":
        return [oci.Namespace(type="network")]
    raise Unsupported(
        f"--network {mode} is not there with the embedded engine", "use none, host or container:NAME"
    )


def _mappings(ranges: Sequence[tuple[int, int, int]]) -> tuple[oci.IdMapping, ...]:
    return tuple(
        oci.IdMapping(container_id=inside, host_id=outside, size=count) for inside, outside, count in ranges
    )


def _cgroup_path(request: Request) -> str:
    parent = (request.options.get("cgroup_parent") or "containerlab").strip("/")
    if ".." in parent.split("/"):
        raise InvalidInput(f"--cgroup-parent {parent!r} leads upward", "give a path below the root cgroup")
    return f"/{parent}/{request.id}"


def _sysctls(request: Request, own: set[str], host: Host, *, binds_proc: bool) -> dict[str, str]:
    asked = dict(request.options.get("sysctl", {}))
    sysctls.check(asked, own_ipc="ipc" in own, own_network="network" in own, own_uts="uts" in own)
    if binds_proc:
        if asked:
            raise Unsupported(
                "--sysctl needs a /proc of its own, which this host refuses", "see `conlab doctor`"
            )
        return {}
    defaults = {}
    if "network" in own:
        defaults["net.ipv4.ip_unprivileged_port_start"] = "0"
        if not host.is_rootless:
            defaults["net.ipv4.ping_group_range"] = "0 2147483647"
    return defaults | asked


def _mounts(request: Request, not_hosts: set[str], host: Host) -> tuple[oci.MountPoint, ...]:
    options = request.options
    taken = {volume.destination for volume in request.volumes}
    mounts = [
        _adapted(mount, request, not_hosts, host)
        for mount in posture.MOUNTS
        if mount.destination not in taken
    ]
    mounts += [mount for mount in _etc_files(request) if mount.destination not in taken]
    if options.get("privileged"):
        mounts = [_writable(mount) for mount in mounts]
    volumes = sorted(request.volumes, key=lambda volume: volume.destination.count("/"))
    return (*mounts, *volumes)


def _etc_files(request: Request) -> Iterator[oci.MountPoint]:
    names = ("resolv.conf", "hosts") if request.is_build else ("resolv.conf", "hostname", "hosts")
    options = ("rbind", "rprivate", "ro") if request.is_build else ("rbind", "rprivate")
    for name in names:
        source = f"{request.directory}/{name}"
        yield oci.MountPoint(destination=f"/etc/{name}", type="bind", source=source, options=options)


def _adapted(mount: oci.MountPoint, request: Request, not_hosts: set[str], host: Host) -> oci.MountPoint:
    """Change a default mount where the host, the namespaces or an option ask for it."""
    match mount.destination:
        case "/dev/shm" if shared := _shared_shm(request):
            return _replace(mount, type="bind", source=shared, options=("rbind", "nosuid", "noexec", "nodev"))
        case "/dev/shm" if size := request.options.get("shm_size"):
            return _replace(mount, options=(*mount.options[:-1], f"size={size}"))
        case "/dev/mqueue" if request.options.get("ipc") == "host" and host.is_rootless:
            return _replace(
                mount, type="bind", source="/dev/mqueue", options=("rbind", "nosuid", "noexec", "nodev")
            )
        case "/dev/pts" if host.idmap.kind == "single":
            return _replace(mount, options=tuple(option for option in mount.options if option != "gid=5"))
        case "/proc" if _binds_proc(not_hosts, host):
            return _replace(mount, type="bind", source="/proc", options=("rbind", *mount.options))
        case "/sys" if "sysfs" in host.refused or (host.is_rootless and "network" not in not_hosts):
            return _replace(mount, type="bind", source="/sys", options=("rbind", *mount.options))
    return mount


def _replace(mount: oci.MountPoint, **changes: Any) -> oci.MountPoint:
    """Return a mount with some fields changed."""
    return msgspec.structs.replace(mount, **changes)


def _binds_proc(not_hosts: set[str], host: Host) -> bool:
    """Say whether the host's /proc is shown: a fresh one is refused here, or by the host's PID namespace."""
    return "proc" in host.refused or (host.is_rootless and "pid" not in not_hosts)


def _about_proc(not_hosts: set[str], host: Host) -> tuple[str, ...]:
    if "proc" not in host.refused or "pid" not in not_hosts:
        return ()
    return ("a fresh /proc is refused here: the host's is shown, and /proc/self is not there",)


def _shared_shm(request: Request) -> str:
    mode = request.options.get("ipc") or ""
    if mode == "host":
        return "/dev/shm"
    return request.joined.get("shm", "") if mode.startswith("container:") else ""


def _writable(mount: oci.MountPoint) -> oci.MountPoint:
    return _replace(mount, options=tuple(option for option in mount.options if option != "ro"))


def _bound(device: HostDevice) -> oci.MountPoint:
    """Show a device of the host, where no node can be made."""
    return oci.MountPoint(
        destination=device.node.path, type="bind", source=device.source, options=("bind", "nosuid", "noexec")
    )
