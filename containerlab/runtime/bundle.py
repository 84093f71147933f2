"""A bundle of the runtime specification: its config.json, read and fitted to this host.

What the host cannot give is taken back and said; what would make another container than the one that was
asked for is refused.
"""

from __future__ import annotations

import os
import resource
from typing import NamedTuple

import msgspec

from containerlab.errors import InvalidInput, Unsupported
from containerlab.linux import capabilities, syscalls
from containerlab.linux.idmap import IdMap, Range
from containerlab.oci import runtime as oci
from containerlab.oci.runtime import Process, Spec
from containerlab.runtime import users
from containerlab.runtime.rlimits import NUMBERS as RLIMITS

__all__ = ["Fitted", "fit", "fit_process", "idmap_of", "is_nested", "read"]

_MOST_BYTES = 1 << 22
_INFINITY = 1 << 63
_MOST_SIGNED = _INFINITY - 1


class Fitted(NamedTuple):
    """A specification that this host can fulfil, and what it had to be spared."""

    spec: Spec
    notices: tuple[str, ...]


def read(directory: str) -> Spec:
    """Read config.json of a bundle.

    Raises: InvalidInput naming the file and the field that is wrong.
    """
    path = os.path.join(directory, "config.json")
    try:
        with open(path, "rb") as file:
            spec = oci.decode(file.read(_MOST_BYTES))
    except OSError as error:
        raise InvalidInput(f"cannot read {path}: {error.strerror}", "name a bundle with --bundle") from error
    except msgspec.DecodeError as error:
        raise InvalidInput(
            f"{path} is no config.json: {error}", "see the OCI runtime specification"
        ) from error
    if not spec.oci_version.startswith("1."):
        raise InvalidInput(f"{path} is of version {spec.oci_version!r}", "versions 1.0 to 1.3 are known")
    if spec.root is None or spec.process is None:
        raise InvalidInput(f"{path} lacks root or process", "both are needed to create a container")
    return spec


def fit(spec: Spec, directory: str) -> Fitted:
    """Return the specification with absolute paths, limits that this host allows, and HOME.

    Raises: Unsupported for what is not there, InvalidInput for what makes no sense.
    """
    assert spec.root is not None
    assert spec.process is not None
    linux = spec.linux or oci.Linux()
    _refuse(linux)
    root = _absolute(spec.root.path, directory)
    if not os.path.isdir(root):
        raise InvalidInput(f"the bundle's root {root} is no directory", "set root.path in config.json")
    process, notices = fit_process(spec.process, _has_new_user_namespace(linux), root)
    whole = msgspec.structs.replace(
        spec,
        process=process,
        root=msgspec.structs.replace(spec.root, path=root),
        mounts=tuple(_with_source(mount, directory) for mount in spec.mounts),
        linux=linux,
    )
    return Fitted(whole, (*notices, *_ignored(whole, linux)))


def _refuse(linux: oci.Linux) -> None:
    if linux.intel_rdt:
        raise Unsupported("linux.intelRdt is not there", "leave it out of config.json")
    if linux.net_devices:
        raise Unsupported("linux.netDevices is not there", "move devices by a createRuntime hook")
    own = {namespace.type for namespace in linux.namespaces if not namespace.path}
    if "mount" not in {namespace.type for namespace in linux.namespaces}:
        raise Unsupported("a container without a mount namespace is not there", "add it to linux.namespaces")
    if any(namespace.type == "mount" and namespace.path for namespace in linux.namespaces):
        # Its mounts would be changed, and its root taken away, under those who live in it.
        raise Unsupported("joining a mount namespace by path is not there", "leave out the path")
    if linux.time_offsets and "time" not in own:
        raise InvalidInput("linux.timeOffsets needs a new time namespace", "add it to linux.namespaces")


def _ignored(spec: Spec, linux: oci.Linux) -> list[str]:
    process = spec.process or Process(cwd="/")
    resources = linux.resources or oci.Resources()
    asked = {
        "linux.mountLabel": linux.mount_label,
        "process.selinuxLabel": process.selinux_label,
        "process.scheduler": process.scheduler,
        "process.ioPriority": process.io_priority,
        "process.execCPUAffinity": process.exec_cpu_affinity,
        "linux.resources.rdma": resources.rdma,
        "linux.resources.network": resources.network,
    }
    return [f"{name} is ignored: this runtime does not apply it" for name, value in asked.items() if value]


def _absolute(path: str, directory: str) -> str:
    return os.path.realpath(os.path.join(directory, path))


def _with_source(mount: oci.MountPoint, directory: str) -> oci.MountPoint:
    """Sources of bind mounts are relative to the bundle, destinations to the container's root."""
    is_bind = mount.type == "bind" or {"bind", "rbind"} & set(mount.options)
    source = os.path.join(directory, mount.source) if is_bind else mount.source
    return msgspec.structs.replace(mount, source=source, destination=os.path.join("/", mount.destination))


def fit_process(process: Process, in_new_user_namespace: bool, root: str) -> tuple[Process, list[str]]:
    """Return a process with what this host can give it, and what it cannot."""
    if not process.args:
        raise InvalidInput("config.json has no process.args", "say which program to run")
    notices: list[str] = []
    profile = process.apparmor_profile
    if profile and not _has_apparmor():
        notices.append(f"process.apparmorProfile {profile} is ignored: this kernel runs without AppArmor")
        profile = ""
    fitted = msgspec.structs.replace(
        process,
        apparmor_profile=profile,
        capabilities=_capabilities(process, in_new_user_namespace, notices),
        rlimits=tuple(_rlimit(limit, notices) for limit in process.rlimits),
        oom_score_adj=_oom_score(process.oom_score_adj, notices),
        env=_with_home(process, root),
    )
    return fitted, notices


def _has_apparmor() -> bool:
    try:
        with open("/sys/module/apparmor/parameters/enabled") as file:
            return file.read().startswith("Y")
    except OSError:
        return False


def _capabilities(process: Process, is_new: bool, notices: list[str]) -> oci.Capabilities | None:
    sets = process.capabilities
    if sets is None:
        return oci.Capabilities()
    allowed = frozenset(capabilities.ALL) if is_new else capabilities.bounding()
    asked = {name for field in sets.__struct_fields__ for name in getattr(sets, field)}
    notices += [
        f"{name} is not given: this host does not have it to give" for name in sorted(asked - allowed)
    ]
    return oci.Capabilities(
        **{
            field: tuple(name for name in getattr(sets, field) if name in allowed)
            for field in sets.__struct_fields__
        }
    )


def _rlimit(limit: oci.Rlimit, notices: list[str]) -> oci.Rlimit:
    if limit.type not in RLIMITS:
        raise InvalidInput(
            f"unknown limit {limit.type!r} in process.rlimits", f"known are {', '.join(RLIMITS)}"
        )
    soft, hard = (-1 if value >= _MOST_SIGNED else value for value in (limit.soft, limit.hard))
    most = resource.getrlimit(RLIMITS[limit.type])[1]
    may_raise = "CAP_SYS_RESOURCE" in capabilities.of_pid().effective
    if most != -1 and (hard == -1 or hard > most) and not may_raise:
        notices.append(f"{limit.type} is {most}: raising it to {limit.hard} needs CAP_SYS_RESOURCE")
        hard, soft = most, most if soft == -1 else min(soft, most)
    return oci.Rlimit(type=limit.type, soft=soft, hard=hard)


def _oom_score(wanted: int | None, notices: list[str]) -> int | None:
    if wanted is None:
        return None
    with open("/proc/self/oom_score_adj") as file:
        ours = int(file.read())
    if wanted >= ours or "CAP_SYS_RESOURCE" in capabilities.of_pid().effective:
        return wanted
    notices.append(f"oomScoreAdj is {ours}: lowering it to {wanted} needs CAP_SYS_RESOURCE")
    return ours


def _with_home(process: Process, root: str) -> tuple[str, ...]:
    """Add HOME as other runtimes do, for the specification is silent and engines rely on it."""
    if any(entry.startswith("HOME=") for entry in process.env):
        return process.env
    account = users.resolve(str(process.user.uid), _passwd(root), None)
    return (*process.env, f"HOME={account.home or '/'}")


def _passwd(root: str) -> bytes | None:
    """Read the container's /etc/passwd: it may be a link to anywhere, a FIFO or endless (CVE-2024-9676)."""
    directory = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        resolve = syscalls.RESOLVE_IN_ROOT | syscalls.RESOLVE_NO_MAGICLINKS
        fd = syscalls.openat2(directory, "etc/passwd", os.O_RDONLY | os.O_NONBLOCK, 0, resolve)
    except OSError:
        return None
    finally:
        os.close(directory)
    with open(fd, "rb") as file:
        return file.read(_MOST_BYTES) if os.path.isfile(f"/proc/self/fd/{fd}") else None


def _has_new_user_namespace(linux: oci.Linux) -> bool:
    return any(namespace.type == "user" and not namespace.path for namespace in linux.namespaces)


def idmap_of(spec: Spec) -> IdMap | None:
    """Return the map of the new user namespace that a specification asks for, if it does.

    Raises: InvalidInput when it has no mappings.
    """
    linux = spec.linux or oci.Linux()
    if not _has_new_user_namespace(linux):
        return None
    if not linux.uid_mappings or not linux.gid_mappings:
        raise InvalidInput(
            "a new user namespace needs uidMappings and gidMappings", "add them to config.json"
        )
    uids, gids = (
        tuple(Range(each.container_id, each.host_id, each.size) for each in mappings)
        for mappings in (linux.uid_mappings, linux.gid_mappings)
    )
    is_single = len(uids) == 1 and uids[0].length == 1
    kind = "given" if os.geteuid() == 0 else "single" if is_single else "subids"
    return IdMap(uids, gids, kind, "config.json says so")


def is_nested() -> bool:
    """Say whether this process is in a user namespace, where no device node can be made."""
    with open("/proc/self/uid_map") as file:
        return file.read().split() != ["0", "0", "4294967295"]
